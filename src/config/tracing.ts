// Reads the variables of OpenTelemetry that decide whether tracing is loaded.

/** Variables of OpenTelemetry that the service itself reads, and what each means here. */
export const TRACING_VARIABLES = {
  OTEL_EXPORTER_OTLP_ENDPOINT: 'Address to which traces go, as OTLP. Setting it turns traces on.',
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'The same, for traces alone.',
  OTEL_TRACES_EXPORTER: 'Any value but `none` turns traces on; `none` turns them off.',
  OTEL_SDK_DISABLED: '`true` turns traces off.',
  OTEL_SERVICE_NAME: 'Name of the service in traces; `chatkit-mint` when absent.',
} as const

/**
 * Settings from OpenTelemetry's own variables. Its SDK reads the rest of them itself.
 *
 * @param variables - of the environment, without blank ones
 */
export function tracingSettings(
  variables: Readonly<Partial<Record<keyof typeof TRACING_VARIABLES, string | undefined>>>,
) {
  const exporter = variables.OTEL_TRACES_EXPORTER
  const endpoint =
    variables.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? variables.OTEL_EXPORTER_OTLP_ENDPOINT
  const off = exporter === 'none' || variables.OTEL_SDK_DISABLED?.toLowerCase() === 'true'
  return {
    /** Whether a standard variable asks for traces, and no other turns them off. */
    wanted: (exporter ?? endpoint) !== undefined && !off,
    serviceName: variables.OTEL_SERVICE_NAME ?? 'chatkit-mint',
  }
}
