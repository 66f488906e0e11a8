//! Where a lane stands: in its group, in its stop, after a stall; and what its state machines have in common.

pub mod control;
pub mod machine;
pub mod membership;
pub mod shutdown;
pub mod stall_guard;
