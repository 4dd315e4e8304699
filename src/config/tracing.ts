// Reads OpenTelemetry's variables as far as they decide whether tracing is loaded.

/** Settings from OpenTelemetry's own variables. Its SDK reads the rest of them itself. */
export interface TracingSettings {
  /** A standard variable says where traces go, and none turns them off. */
  readonly wanted: boolean
  /** `OTEL_SERVICE_NAME`. */
  readonly serviceName: string
}

/** @param variables - of the environment, without blank ones */
export function tracingSettings(
  variables: Readonly<Record<string, string | undefined>>,
): TracingSettings {
  const exporter = variables['OTEL_TRACES_EXPORTER']
  const endpoint =
    variables['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] ?? variables['OTEL_EXPORTER_OTLP_ENDPOINT']
  const off = exporter === 'none' || variables['OTEL_SDK_DISABLED']?.toLowerCase() === 'true'
  return {
    wanted: (exporter ?? endpoint) !== undefined && !off,
    serviceName: variables['OTEL_SERVICE_NAME'] ?? 'chatkit-mint',
  }
}
