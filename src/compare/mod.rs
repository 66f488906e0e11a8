//! Two answers for one source position (a champion's and a challenger's, a recorded one and a replayed one), added up and
//! reported: how far scores differ, which decisions flip, how scores and inputs are distributed, and what labels say of both.

pub mod comparison;
pub mod difference;
pub mod drift;
pub mod labelled;
pub mod labels;
pub mod pair;
pub mod psi;
pub mod report;
pub mod scores;
mod worst;

pub use comparison::{Comparison, FirstDiffering, InputCounts};
pub use difference::Quantiles;
pub use drift::{Bin, FeatureDrift, FeaturePsi};
pub use labelled::{AtThreshold, LabelFigures, LabelledScores, SideFigures, Thresholds};
pub use labels::Labels;
pub use pair::{Answer, Inputs, Pair};
pub use psi::{Psi, psi_of_scores};
pub use report::{Count, Kind, Report, Side, Sides};
pub use scores::ScoreHistogram;
pub use worst::WorstPair;
