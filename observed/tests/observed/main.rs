//! Operations as spans of OpenTelemetry and as metrics of Prometheus.

mod dashboard;
mod program;
mod prometheus;
mod spans;
