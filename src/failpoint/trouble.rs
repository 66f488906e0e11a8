//! A model that misbehaves for a while, in test builds: while the file is there that `SCOREWIRE_TEST_MODEL` names, each call of
//! the package that decides does what its text says: `fails`, `says_nan`, or `takes 200`, so many milliseconds. The packages
//! of a fallback and challengers are left alone.

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    Fails,
    SaysNan,
    TakesMs(u64),
}

/// What goes wrong with the model now.
#[inline]
pub fn of_model() -> Option<Trouble> {
    #[cfg(feature = "test-faults")]
    return switches::of_model();
    #[cfg(not(feature = "test-faults"))]
    None
}

/// Takes that long.
#[inline]
pub fn take(ms: u64) {
    #[cfg(feature = "test-faults")]
    switches::take(ms);
    let _ = ms;
}

#[cfg(feature = "test-faults")]
mod switches {
    use std::path::PathBuf;
    use std::sync::OnceLock;
    use std::time::Duration;

    use super::Trouble;

    pub fn of_model() -> Option<Trouble> {
        static FILE: OnceLock<Option<PathBuf>> = OnceLock::new();
        let file = FILE.get_or_init(|| std::env::var_os("SCOREWIRE_TEST_MODEL").map(PathBuf::from));
        let text = std::fs::read_to_string(file.as_ref()?).ok()?;
        Some(parse(text.trim()))
    }

    /// A misspelt text would make a test pass that tests nothing.
    pub(super) fn parse(text: &str) -> Trouble {
        match text.split_once(' ').unwrap_or((text, "")) {
            ("fails", "") => Trouble::Fails,
            ("says_nan", "") => Trouble::SaysNan,
            ("takes", ms) => Trouble::TakesMs(ms.parse().expect("SCOREWIRE_TEST_MODEL: takes MILLISECONDS")),
            _ => panic!("SCOREWIRE_TEST_MODEL: no trouble {text:?}"),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a model that is slow holds its thread up")]
    pub fn take(ms: u64) {
        std::thread::sleep(Duration::from_millis(ms));
    }
}

#[cfg(all(test, feature = "test-faults"))]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_is_known_by_its_words_and_by_no_others() {
        assert_eq!(switches::parse("fails"), Trouble::Fails);
        assert_eq!(switches::parse("says_nan"), Trouble::SaysNan);
        assert_eq!(switches::parse("takes 200"), Trouble::TakesMs(200));
        assert!(std::panic::catch_unwind(|| switches::parse("fail")).is_err());
        assert_eq!(of_model(), None, "nothing goes wrong unless somebody asks");
    }
}
