//! What came of a run: its summary for programs and people, second by second, and the reports that are asked for besides.

pub mod breakdown;
pub mod chart;
pub mod curves;
pub mod figures;
pub mod files;
pub mod hgrm;
pub mod html;
pub mod scale;
pub mod series;
pub mod summary;
mod table;
mod verdict;
