//! What a configuration does while its model gives no scores, told before it happens.

use crate::config::Config;
use crate::values::failure::FailureClass;
use crate::values::record::Decision;
use crate::values::settings::{FallbackEnd, Thresholds};

/// What happens while the model gives no scores, in words: whether payments go through unseen, above all.
pub fn in_words(config: &Config, thresholds: &Thresholds) -> String {
    let Some(end) = config.fallback.end() else {
        return format!(
            "no [fallback]: what the model fails on is a dead letter, and after {} failures in a row the process ends; \
             whoever waits for its decision gets none",
            config.limits.model_failures_max
        );
    };
    let on: Vec<&str> = config.fallback.on.iter().map(FailureClass::name).collect();
    let steps: Vec<String> = config.fallback.then.iter().map(ToString::to_string).collect();
    let then = match end {
        FallbackEnd::Score(score) => match thresholds.decide(score) {
            Decision::Approve => format!("it fails open: score {score} approves, and payments go through unseen"),
            Decision::Review => format!("it fails closed: score {score} sends every payment to people"),
            Decision::Decline => format!("it fails closed: score {score} declines every payment"),
        },
        FallbackEnd::RetryLater => "its end decides nothing now: `scorewire retry` does, later".to_owned(),
        FallbackEnd::Timeouts => "its end decides nothing: such records go to topics.timeouts".to_owned(),
        FallbackEnd::Pause => "it fails closed: the lane stands still until its model answers".to_owned(),
        FallbackEnd::Stop => "it fails closed: its end is a dead letter, and the end of the process".to_owned(),
    };
    format!("fallback on {}: {}; {then}", on.join(", "), steps.join(", then "))
}
