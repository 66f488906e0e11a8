//! ONNX Runtime's telemetry, which later versions send unless an environment variable says no before they are opened.
#![allow(unsafe_code, reason = "a variable of the environment may be set by a process's only thread alone")]

pub const VARIABLE: &str = "ORT_DISABLE_TELEMETRY";

/// Sets the variable, where this is the only thread: the first thing that a program does. Returns whether it is set.
#[expect(clippy::disallowed_methods, reason = "before there are other threads")]
pub fn switch_off() -> bool {
    if std::env::var_os(VARIABLE).is_some_and(|value| value == "1") {
        return true;
    }
    let is_alone = std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1);
    if is_alone {
        // SAFETY: nobody else reads the environment, because there is nobody else, and only this thread could change that.
        unsafe { std::env::set_var(VARIABLE, "1") };
    }
    is_alone
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The harness's thread waits for this one.
    #[test]
    fn nothing_is_set_beside_other_threads() {
        let before = std::env::var_os(VARIABLE);
        assert_eq!(switch_off(), before.as_ref().is_some_and(|value| value == "1"));
        assert_eq!(std::env::var_os(VARIABLE), before);
    }
}
