//! Metrics in Prometheus' text format, version 0.0.4.
//!
//! The form is that of "Exposition formats" in Prometheus' documentation: for each metric a `HELP` and a `TYPE` line, then a
//! line for each value; backslash, newline and, in values of labels, the quote are escaped.

use std::fmt::Write;

use raccord_plugin::MetricKind;
use raccord_runtime::metrics::{Family, Sample};

use crate::answer::Answer;
use crate::routes::{Call, Reply};

/// The media type of the format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /metrics`.
pub fn all<'a>(call: &'a Call<'a>) -> Reply<'a> {
    Box::pin(async move {
        let body = rendered(&call.herder.metrics().await).into_bytes();
        Ok(Answer { body: Some(body), ..Answer::empty(200) })
    })
}

fn rendered(families: &[Family]) -> String {
    let mut text = String::new();
    for Family { metric, samples } in families {
        let kind = match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
        };
        text.push_str("# HELP ");
        text.push_str(metric.name);
        text.push(' ');
        escape(metric.help, false, &mut text);
        // Writing to a text does not fail.
        let _ = writeln!(text, "\n# TYPE {} {kind}", metric.name);
        for sample in samples {
            text.push_str(metric.name);
            labels(sample, &mut text);
            let _ = writeln!(text, " {}", Number(sample.value));
        }
    }
    text
}

fn labels(sample: &Sample, text: &mut String) {
    for (place, (name, value)) in sample.labels.iter().enumerate() {
        text.push(if place == 0 { '{' } else { ',' });
        text.push_str(name);
        text.push_str("=\"");
        escape(value, true, text);
        text.push('"');
    }
    if !sample.labels.is_empty() {
        text.push('}');
    }
}

fn escape(value: &str, quoted: bool, text: &mut String) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '"' if quoted => text.push_str("\\\""),
            other => text.push(other),
        }
    }
}

/// A number as Go reads it.
struct Number(f64);

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            value if value.is_nan() => f.write_str("NaN"),
            f64::INFINITY => f.write_str("+Inf"),
            f64::NEG_INFINITY => f.write_str("-Inf"),
            value => write!(f, "{value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use raccord_plugin::Metric;

    use super::*;

    #[test]
    fn has_the_form_that_prometheus_reads() {
        let sample = |labels: &[(&'static str, &str)], value| Sample {
            labels: labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
            value,
        };
        let families = [
            Family {
                metric: Metric::counter("rows_total", "Rows of \"t\",\nwith C:\\."),
                samples: vec![
                    sample(&[("table", "public.\"a\\b\"\n"), ("task", "0")], 12_345_678_901.0),
                    sample(&[("table", "é{},"), ("task", "1")], 0.5),
                ],
            },
            Family {
                metric: Metric::gauge("up", "Up."),
                samples: vec![sample(&[], f64::INFINITY), sample(&[("x", "")], f64::NAN)],
            },
        ];
        assert_eq!(
            rendered(&families),
            "# HELP rows_total Rows of \"t\",\\nwith C:\\\\.\n\
             # TYPE rows_total counter\n\
             rows_total{table=\"public.\\\"a\\\\b\\\"\\n\",task=\"0\"} 12345678901\n\
             rows_total{table=\"é{},\",task=\"1\"} 0.5\n\
             # HELP up Up.\n\
             # TYPE up gauge\n\
             up +Inf\n\
             up{x=\"\"} NaN\n"
        );
        assert_eq!(rendered(&[]), "");
    }
}
