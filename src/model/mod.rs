//! The model: its package (files, hash, contract), ONNX Runtime, sessions that score, and the probe that must pass
//! before the first record. The only place that knows `ort`.

mod answers;
mod classes;
mod contract;
mod curve;
pub mod draft;
mod facts;
mod fields;
mod golden;
mod golden_records;
mod kernels;
mod library;
mod model_file;
mod onnx;
mod open;
mod output_role;
mod package;
mod prepare;
mod probe;
mod problem;
mod runner;
mod runtime;
mod section;
mod sequence;
mod session;
mod telemetry;
mod transform;
mod trees;
mod undecided;
mod wire;

pub use answers::AnswerRange;
pub use classes::{Class, list as list_of_classes};
pub use curve::{CurvePoint, ProbeSettings, choose_cap};
pub use facts::{Facts, Outlet};
pub use kernels::KernelPoint;
pub use model_file::{Answered, ModelFile};
pub use open::{Placement, SessionSettings};
pub use output_role::{OutputRole, ScoreColumn};
pub use package::{MANIFEST, Package};
pub use prepare::{KernelChoice, Model, ModelSettings, TreeKernels, prepare};
pub use probe::varied_rows;
pub use problem::Problem;
pub use runtime::Runtime;
pub use session::Session;
pub use telemetry::switch_off as switch_telemetry_off;
pub use trees::{Graph, Instructions, Kind, Run, Told, TreeNode};
