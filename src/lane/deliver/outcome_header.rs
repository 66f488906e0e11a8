//! The header of outputs and their copies, by which consumers route without decoding: the decision and the model's version.
//! One header says both, because each costs the client, the broker and every reader. What is rare gets a header of its own.

use std::ffi::CStr;

use crate::values::record::Decision;

/// Its value: the decision, a space, and the model's version, as `DECLINE 1.4.0`.
pub const OUTCOME_HEADER: &CStr = c"scorewire.outcome";

/// Of outputs that the model did not decide: the step of the fallback that did, as `score:0.5`.
pub const FALLBACK_HEADER: &CStr = c"scorewire.fallback";

/// Of outputs that take the place of what their source position had before: why that was no score of the model.
pub const AMENDMENT_HEADER: &CStr = c"scorewire.amendment";

/// As outputs before this header said their decision alone, which a node that was upgraded reads back.
pub const DECISION_HEADER_BEFORE: &CStr = c"scorewire.decision";

/// The header's values, by [`Decision::index`].
pub type ByDecision = [Vec<u8>; Decision::ALL.len()];

/// The values that a lane needs.
pub fn outcome_headers(model_version: &str) -> ByDecision {
    Decision::ALL.map(|decision| format!("{} {model_version}", decision.name()).into_bytes())
}

/// The decision that a value begins with.
pub fn decision_of(value: &[u8]) -> Option<Decision> {
    let said = value.split(|&byte| byte == b' ').next()?;
    Decision::ALL.into_iter().find(|decision| decision.name().as_bytes() == said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_decision_is_what_stands_before_the_first_space() {
        for (decision, value) in Decision::ALL.into_iter().zip(outcome_headers("1.4.0 beta")) {
            assert_eq!(value, format!("{} 1.4.0 beta", decision.name()).as_bytes());
            assert_eq!(decision_of(&value), Some(decision));
        }
        assert_eq!(decision_of(b"APPROVE"), Some(Decision::Approve));
        for other in [&b""[..], b" APPROVE", b"APPROVED 1", b"approve 1"] {
            assert_eq!(decision_of(other), None);
        }
    }
}
