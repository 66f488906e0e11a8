//! What a look at the cluster brings: each point with its verdict, and a fix where something must be done.

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Ok,
    /// Something that could not be looked at, and need not be.
    Note,
    Warning,
    /// The process would not do its work.
    Problem,
}

impl Verdict {
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Note => "note",
            Verdict::Warning => "warning",
            Verdict::Problem => "problem",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub verdict: Verdict,
    pub what: String,
    /// Of warnings and problems.
    pub fix: Option<String>,
}

impl Finding {
    pub fn ok(what: impl Into<String>) -> Finding {
        Finding { verdict: Verdict::Ok, what: what.into(), fix: None }
    }

    pub fn note(what: impl Into<String>) -> Finding {
        Finding { verdict: Verdict::Note, what: what.into(), fix: None }
    }

    pub fn warning(what: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding { verdict: Verdict::Warning, what: what.into(), fix: Some(fix.into()) }
    }

    pub fn problem(what: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding { verdict: Verdict::Problem, what: what.into(), fix: Some(fix.into()) }
    }
}
