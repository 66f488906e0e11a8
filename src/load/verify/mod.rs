//! Reading back: which outcome each record had, whether its score is right, and what was promised and not kept. Believes
//! nobody, and shares no code with the pipeline.

pub mod accounting;
pub mod faults;
pub mod inject;
pub mod interval;
pub mod oracle;
pub mod outcome;
pub mod projection;
mod reading;
mod stubs;
pub mod verifier;
