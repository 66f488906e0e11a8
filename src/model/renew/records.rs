//! Golden records whose scores are those of an earlier model.

use std::fmt::Write as _;

/// Records, what is expected of them and who says so.
pub struct Records {
    /// `None`: those that are there stay.
    pub records: Option<Vec<u8>>,
    pub expected: Vec<u8>,
    pub made_by: String,
    /// In a word.
    pub told: String,
}

/// What is expected after a retraining: the features as the training side has them, which a new model does not change, and
/// the new model's scores, which nobody but the program computed.
pub fn renewed(text: &str, scores: &[f64], made_by: &str, ourselves: &str) -> Records {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let mut expected = format!("{}\n", lines.next().unwrap_or_default());
    for (line, score) in lines.zip(scores) {
        let features = line.rsplit_once(',').map_or("", |(features, _)| features);
        // Writing to a String cannot fail.
        let _ = writeln!(expected, "{features},{score}");
    }
    // Not again and again: who computed the features stays readable.
    let of_features = made_by.rsplit_once("features by ").map_or(made_by, |(_, by)| by);
    Records {
        records: None,
        expected: expected.into_bytes(),
        made_by: format!("{ourselves} (scores by ONNX Runtime); features by {of_features}"),
        told: "their scores made anew".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_stay_as_they_were_written_and_scores_are_new() {
        let first = renewed("a,b,score\n1.50,nan,0.2\n\n2,3,0.4\n", &[0.25, 0.5], "training.py", "us");
        assert_eq!(String::from_utf8(first.expected).unwrap(), "a,b,score\n1.50,nan,0.25\n2,3,0.5\n");
        let again = renewed("a,score\n", &[], &first.made_by, "us");
        assert_eq!(again.made_by, "us (scores by ONNX Runtime); features by training.py");
    }
}
