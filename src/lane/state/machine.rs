//! What the lane's state machines have in common: every step that there is, is in a list. `docs/design.md` draws them, and a
//! test holds the drawings against the lists.

/// An enum whose values are the states of something.
pub trait Machine: Sized {
    /// The states; it begins in the first.
    const NAMES: &'static [&'static str];

    /// Every step there is, from one state to another.
    const STEPS: &'static [(&'static str, &'static str)];

    fn name(&self) -> &'static str;

    /// Takes a step, or stays in the state with other values.
    fn go(&mut self, to: Self) {
        let step = (self.name(), to.name());
        debug_assert!(step.0 == step.1 || Self::STEPS.contains(&step), "no step of the machine: {step:?}");
        *self = to;
    }
}
