//! W3C trace context, in and out of `params._meta`.

use std::str::FromStr as _;

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// Bytes of a `tracestate` that is read (W3C Trace Context section 3.3.1.5: at least 512 are kept).
const STATE: usize = 512;

/// The caller's span, if `traceparent` is well-formed (W3C Trace Context section 3.2); a malformed `tracestate`
/// is left out alone (T030).
pub(super) fn parent(traceparent: Option<&str>, tracestate: Option<&str>) -> Option<SpanContext> {
    let text = traceparent?;
    let mut fields = text.split('-');
    let (version, trace, span, flags) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    if version == "ff" || (version == "00" && fields.next().is_some()) {
        return None;
    }
    for (field, length) in [(version, 2), (trace, 32), (span, 16), (flags, 2)] {
        if field.len() != length || !field.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
    }
    let state = tracestate
        .filter(|state| state.len() <= STATE)
        .and_then(|state| TraceState::from_str(state).ok())
        .unwrap_or_default();
    let sampled = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    Some(SpanContext::new(trace, span, sampled, true, state)).filter(SpanContext::is_valid)
}

/// The span of the caller in a `traceparent`, as 16 hex digits.
#[must_use]
pub fn caller_span(traceparent: Option<&str>) -> Option<String> {
    parent(traceparent, None).map(|context| context.span_id().to_string())
}

/// The `traceparent` of a span.
pub(super) fn traceparent(context: &SpanContext) -> String {
    format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags() & TraceFlags::SAMPLED)
}

/// The `tracestate` of a span, if it has one.
pub(super) fn tracestate(context: &SpanContext) -> Option<String> {
    Some(context.trace_state().header()).filter(|state| !state.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{parent, traceparent, tracestate};

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    /// T030
    #[test]
    fn only_a_well_formed_parent_is_taken_over() {
        let context = parent(Some(GOOD), Some("vendor=1")).unwrap();
        assert_eq!((traceparent(&context).as_str(), tracestate(&context).as_deref()), (GOOD, Some("vendor=1")));
        assert!(parent(Some(&format!("01{}-more", &GOOD[2..])), None).is_some());
        for bad in [
            "",
            "garbage",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-+1",
        ] {
            assert!(parent(Some(bad), None).is_none(), "{bad}");
        }
        let long = format!("vendor={}", "x".repeat(100_000));
        assert_eq!(tracestate(&parent(Some(GOOD), Some(&long)).unwrap()), None);
    }
}
