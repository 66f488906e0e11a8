//! Tree ensembles by a kernel of our own. ONNX Runtime walks each tree for each row, from split to split: branches that
//! no processor can guess. [`forest`] instead asks every split of a tree at once, for sixteen rows at once, and reads
//! the leaf off a bit mask (QuickScorer: Lucchese et al., SIGIR 2015; Ye et al., KDD 2018): no branch, and one row or
//! sixteen cost the same.
//!
//! The graph stays ONNX Runtime's: a tree node is exchanged for a custom operator ([`operator`]), everything around it
//! stays. A node is only exchanged when the operator answered a set of hard rows with the very bits of ONNX Runtime's
//! own node ([`check`]); whatever cannot be read ([`ensemble`]) or differs stays with ONNX Runtime.

mod attributes;
mod check;
mod ensemble;
mod file;
mod forest;
mod kernel;
mod operator;
mod replace;
#[cfg(test)]
mod tests;

pub use replace::{Graph, TreeNode, Trees};
