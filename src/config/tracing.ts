// Reads the variables of OpenTelemetry that decide whether tracing is loaded.

/** Settings from OpenTelemetry's own variables. Its SDK reads the rest of them itself. */
export interface TracingSettings {
  /** Whether a standard variable asks for traces, and no other turns them off. */
  readonly wanted: boolean
  /** `OTEL_SERVICE_NAME`. */
  readonly serviceName: string
}

/** Variables of OpenTelemetry that the service itself reads, and what each means here. */
export const TRACING_VARIABLES = {
  OTEL_EXPORTER_OTLP_ENDPOINT: 'Address to which traces go, as OTLP. Setting it turns traces on.',
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'The same, for traces alone.',
  OTEL_TRACES_EXPORTER: 'Any value but `none` turns traces on; `none` turns them off.',
  OTEL_SDK_DISABLED: '`true` turns traces off.',
  OTEL_SERVICE_NAME: 'Name of the service in traces; `chatkit-mint` when absent.',
} as const

/** @param variables - of the environment, without blank ones */
export function tracingSettings(
  variables: Readonly<Partial<Record<keyof typeof TRACING_VARIABLES, string | undefined>>>,
): TracingSettings {
  const exporter = variables.OTEL_TRACES_EXPORTER
  const endpoint =
    variables.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? variables.OTEL_EXPORTER_OTLP_ENDPOINT
  const off = exporter === 'none' || variables.OTEL_SDK_DISABLED?.toLowerCase() === 'true'
  return {
    wanted: (exporter ?? endpoint) !== undefined && !off,
    serviceName: variables.OTEL_SERVICE_NAME ?? 'chatkit-mint',
  }
}
