//! Exemplars: for each series the last trace that it counted, and the exposition that shows them (OpenMetrics 1.0).

use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
    sync::{Mutex, PoisonError},
};

use prometheus::proto::{LabelPair, MetricFamily, MetricType};

/// Series, buckets apart, that keep an exemplar.
const KEPT: usize = 8_192;

/// A series: its family, and its labels in the order of their names.
type Series = (&'static str, Vec<(String, String)>);

/// One trace that a series counted.
#[derive(Debug, Clone)]
struct Exemplar {
    trace: String,
    value: f64,
}

/// The last exemplar of each series and bucket. Only recorded traces come here.
#[derive(Debug, Default)]
pub(super) struct Exemplars(Mutex<HashMap<Series, Vec<Exemplar>>>);

/// Values of a series that are kept apart, so that most buckets have one.
const APART: usize = 4;

impl Exemplars {
    /// A trace was counted by this series.
    pub(super) fn note(&self, family: &'static str, labels: &[(&str, &str)], trace: &str, value: f64) {
        let mut labels: Vec<(String, String)> =
            labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        labels.sort();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = kept.len() < KEPT;
        let key = (family, labels);
        if !room && !kept.contains_key(&key) {
            return;
        }
        let list = kept.entry(key).or_default();
        if list.len() >= APART {
            list.remove(0);
        }
        list.push(Exemplar { trace: trace.to_owned(), value });
    }

    /// All families, and ` # {trace_id="…"} value` behind each sample that has one. What belongs to no series any
    /// more is forgotten.
    pub(super) fn expose(&self, families: &[MetricFamily]) -> String {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut out, mut seen) = (String::new(), HashSet::new());
        for family in families {
            let name = family.name();
            let kind = family.get_field_type();
            let base = if kind == MetricType::COUNTER { name.strip_suffix("_total").unwrap_or(name) } else { name };
            let word = match kind {
                MetricType::COUNTER => "counter",
                MetricType::HISTOGRAM => "histogram",
                MetricType::GAUGE | MetricType::SUMMARY | MetricType::UNTYPED => "gauge",
            };
            let _ = writeln!(out, "# HELP {base} {}\n# TYPE {base} {word}", escaped(family.help()));
            for metric in family.get_metric() {
                let labels = metric.get_label();
                let key = kept.keys().find(|(family, own)| *family == name && same(own, labels)).cloned();
                let list = key.as_ref().and_then(|key| kept.get(key)).map(Vec::as_slice).unwrap_or_default();
                match kind {
                    MetricType::HISTOGRAM => histogram(&mut out, (base, labels), metric.get_histogram(), list),
                    MetricType::COUNTER => {
                        let value = metric.get_counter().get_value();
                        sample(&mut out, &format!("{base}_total"), (labels, None), value, list.last());
                    }
                    MetricType::GAUGE | MetricType::SUMMARY | MetricType::UNTYPED => {
                        sample(&mut out, base, (labels, None), metric.get_gauge().get_value(), None);
                    }
                }
                seen.extend(key);
            }
        }
        kept.retain(|key, _| seen.contains(key));
        out.push_str("# EOF\n");
        out
    }
}

fn same(own: &[(String, String)], labels: &[LabelPair]) -> bool {
    let found = |(name, value): &(String, String)| labels.iter().any(|l| l.name() == name && l.value() == value);
    own.len() == labels.len() && own.iter().all(found)
}

fn histogram(
    out: &mut String,
    (base, labels): (&str, &[LabelPair]),
    histogram: &prometheus::proto::Histogram,
    list: &[Exemplar],
) {
    let (mut below, name) = (f64::NEG_INFINITY, format!("{base}_bucket"));
    let total = histogram.get_sample_count();
    let bounds = histogram.get_bucket().iter().map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()));
    for (bound, count) in bounds.filter(|(bound, _)| bound.is_finite()).chain([(f64::INFINITY, total)]) {
        let exemplar = list.iter().rev().find(|one| one.value > below && one.value <= bound);
        let le = if bound.is_finite() { bound.to_string() } else { "+Inf".to_owned() };
        sample(out, &name, (labels, Some(&le)), whole(count), exemplar);
        below = bound;
    }
    sample(out, &format!("{base}_sum"), (labels, None), histogram.get_sample_sum(), None);
    sample(out, &format!("{base}_count"), (labels, None), whole(total), None);
}

fn sample(
    out: &mut String,
    name: &str,
    (labels, le): (&[LabelPair], Option<&str>),
    value: f64,
    exemplar: Option<&Exemplar>,
) {
    let pairs = labels.iter().map(|label| (label.name(), label.value())).chain(le.map(|le| ("le", le)));
    let pairs: Vec<String> = pairs.map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    out.push_str(name);
    if !pairs.is_empty() {
        let _ = write!(out, "{{{}}}", pairs.join(","));
    }
    let _ = write!(out, " {value}");
    if let Some(Exemplar { trace, value }) = exemplar {
        let _ = write!(out, " # {{trace_id=\"{trace}\"}} {value}");
    }
    out.push('\n');
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[expect(clippy::cast_precision_loss, reason = "the format has floats, and a count beyond 2^53 is far off")]
const fn whole(count: u64) -> f64 {
    count as f64
}
