//! Why a record that was decoded has no score of the model.

use crate::error::Reject;

/// The kinds of failure that `[fallback]` tells apart. A record that cannot be decoded is none of them: no model helps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureClass {
    /// The model takes no such row, and never will.
    Refused,
    /// The model failed, or was not to be had.
    Failed,
    /// Its answer is no score.
    BadAnswer,
    /// It did not answer in time.
    TimedOut,
    /// The record's deadline had passed before it was the record's turn.
    Late,
}

impl FailureClass {
    pub const ALL: [FailureClass; 5] = [
        FailureClass::Refused,
        FailureClass::Failed,
        FailureClass::BadAnswer,
        FailureClass::TimedOut,
        FailureClass::Late,
    ];

    /// Its word in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            FailureClass::Refused => "refused",
            FailureClass::Failed => "failed",
            FailureClass::BadAnswer => "bad_answer",
            FailureClass::TimedOut => "timed_out",
            FailureClass::Late => "late",
        }
    }

    /// What a record becomes of it where nothing helps.
    pub fn reject(self) -> Reject {
        match self {
            FailureClass::Refused => Reject::ModelRefused,
            FailureClass::Failed => Reject::ModelFailed,
            FailureClass::BadAnswer => Reject::BadAnswer,
            FailureClass::TimedOut => Reject::ModelTimedOut,
            FailureClass::Late => Reject::Late,
        }
    }

    /// The class that a reject is of, if it is of one.
    pub fn of(reject: Reject) -> Option<FailureClass> {
        match reject {
            Reject::ModelRefused => Some(FailureClass::Refused),
            Reject::ModelFailed => Some(FailureClass::Failed),
            Reject::BadAnswer | Reject::NonFiniteScore | Reject::ScoreOutOfRange => Some(FailureClass::BadAnswer),
            Reject::ModelTimedOut => Some(FailureClass::TimedOut),
            Reject::Late => Some(FailureClass::Late),
            _ => None,
        }
    }

    /// Whether the same record may have a score later: where the model heals, or another one decides.
    pub fn may_heal(self) -> bool {
        !matches!(self, FailureClass::Refused | FailureClass::Late)
    }
}

/// Some of the classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FailureClasses(u8);

impl FailureClasses {
    pub fn has(self, class: FailureClass) -> bool {
        self.0 & (1 << class as u8) != 0
    }

    pub fn iter(self) -> impl Iterator<Item = FailureClass> {
        FailureClass::ALL.into_iter().filter(move |class| self.has(*class))
    }
}

impl FromIterator<FailureClass> for FailureClasses {
    fn from_iter<I: IntoIterator<Item = FailureClass>>(classes: I) -> FailureClasses {
        FailureClasses(classes.into_iter().fold(0, |set, class| set | 1 << class as u8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_that_of_its_reject() {
        for class in FailureClass::ALL {
            assert_eq!(FailureClass::of(class.reject()), Some(class));
            let alone: FailureClasses = [class].into_iter().collect();
            assert_eq!(alone.iter().collect::<Vec<_>>(), [class]);
        }
        assert_eq!(FailureClass::of(Reject::NonFiniteScore), Some(FailureClass::BadAnswer));
        assert_eq!(FailureClass::of(Reject::UnknownSchema), None);
    }
}
