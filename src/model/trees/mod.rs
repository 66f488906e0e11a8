//! Tree ensembles by kernels of our own. ONNX Runtime walks each tree for each row, from split to split: branches that
//! no processor can guess. Ours have no such branch ([`kernel`]): several, because one row and a thousand, flat trees and
//! deep ones each want another. A [`forest`] has those that were measured to be the best, by the number of rows.
//!
//! The graph stays ONNX Runtime's: a tree node is exchanged for a custom operator ([`operator`]), everything around it
//! stays. A node is only exchanged when the operator gave the very bits of ONNX Runtime's own node at every decision of every
//! tree ([`check`], [`decisions`]); whatever cannot be read ([`ensemble`]) or differs stays with ONNX Runtime.
//!
//! Where such a node's scores are the graph's answer ([`alias`]), sessions ask the kernel itself, once ONNX Runtime has
//! opened the graph with it and answered: a call of ONNX Runtime costs 2 us, and 16 where other work takes the caches
//! between two batches, as at 10,000 records/s, while the trees take 4 to 8.

mod alias;
mod asked;
mod attributes;
mod check;
mod decisions;
pub mod descent;
#[cfg(test)]
mod drawn;
mod ensemble;
mod file;
mod finish;
mod forest;
mod kernel;
mod operator;
#[cfg(test)]
mod proof_tests;
mod replace;
#[cfg(test)]
mod tests;
mod told;

pub use asked::Asked;
pub use descent::Hostile;
pub use file::is_tree_node;
pub use forest::{Choice, ROWS_TOLD};
pub use kernel::{Instructions, Kind};
pub use operator::{Loaded, TreeKernel};
pub use replace::{Graph, RowsLeft, Run, TreeNode};
pub use told::Told;
