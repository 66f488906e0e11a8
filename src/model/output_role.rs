//! Which of the model's answers is the score: the contract's `[output]`, then what the graph makes of it, then the columns
//! of what the model really answered.

use toml::{Table, Value};

use crate::model::classes::{self, Class};
use crate::model::onnx::Inspection;
use crate::model::outlets::Outlet;
use crate::model::problem::{Problems, list};
use crate::model::reading::{Activation, Reading, Scale};
use crate::model::section::Section;

/// The part of the model's answer that is the score. As the contract has it, it names a tensor and columns; resolved
/// against the graph, it knows the columns' neighbours and what was taken off.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputRole {
    /// The tensor to read: the contract's, or what its ZipMap is made of. Empty as long as the contract leaves it to the graph.
    pub tensor: String,
    pub column: ScoreColumns,
    /// What is made of them.
    pub reading: Reading,
    /// The list of maps that the contract names instead of a tensor. Its node is taken off the model.
    pub zip_map: Option<String>,
    /// The names of the tensor's columns; empty where the model has none.
    pub classes: Vec<Class>,
}

/// Which of an output's columns is the score, where it is one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScoreColumn {
    /// The only one.
    Unsaid,
    /// Counted from 0.
    Index(usize),
    /// The one of this class.
    Class(Class),
}

/// Which of the tensor's columns are the score, in the contract's words; several are summed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScoreColumns {
    /// The only one.
    Unsaid,
    /// Counted from 0.
    Index(Vec<usize>),
    /// Those of these classes.
    Class(Vec<Class>),
}

impl OutputRole {
    /// The contract's section.
    pub(super) fn read(mut section: Section<'_>, problems: &mut Problems) -> Option<OutputRole> {
        let before = problems.count();
        let tensor = section.optional_text("tensor", "the output's name", problems).unwrap_or_default();
        let index = read_list(&mut section, "column", problems, |value| match value {
            Value::Integer(column) if (0..=i64::from(u16::MAX)).contains(column) => usize::try_from(*column).ok(),
            _ => None,
        });
        let class = read_list(&mut section, "class", problems, |value| match value {
            Value::Integer(number) => Some(Class::Number(*number)),
            Value::String(text) => Some(Class::Text(text.clone())),
            _ => None,
        });
        if index.is_some() && class.is_some() {
            problems.add(section.place("class"), "stands beside output.column", "keep one of the two");
        }
        let reading = read_reading(&mut section, problems);
        let column = match (class, index) {
            (Some(classes), _) => ScoreColumns::Class(classes),
            (None, Some(columns)) => ScoreColumns::Index(columns),
            (None, None) => ScoreColumns::Unsaid,
        };
        let several = matches!(&column, ScoreColumns::Index(all) if all.len() > 1)
            || matches!(&column, ScoreColumns::Class(all) if all.len() > 1);
        if several && reading.activation == Some(Activation::Sigmoid) {
            let fix =
                "sigmoids of several columns do not add up to a probability: name one column, or write \"softmax\"";
            problems.add(section.place("activation"), "is \"sigmoid\", and several columns are summed up", fix);
        }
        section.finish(problems);
        (problems.count() == before).then(|| OutputRole { tensor, column, reading, zip_map: None, classes: Vec::new() })
    }

    /// The role in the graph that was `found` in `file`. `None` where it cannot be played there, and `problems` says why.
    pub(super) fn resolve(&self, found: &Inspection, file: &[u8], problems: &mut Problems) -> Option<OutputRole> {
        let OutputRole { column, reading, .. } = self;
        let tensor = match self.tensor.as_str() {
            "" => &only_candidate(found, problems)?,
            said if found.outputs.contains_key(said) => said,
            said => {
                let names = list(found.outputs.keys().map(String::as_str));
                let what = format!("the model has no output `{said}`");
                problems.add("output.tensor", what, format!("name one of its outputs: {names}"));
                return None;
            }
        };
        let classes = found.classes(tensor, file);
        if let ScoreColumns::Class(wanted) = column
            && let Some(class) = wanted.iter().find(|class| !classes.contains(class))
        {
            let (what, fix) = unknown(tensor, class, &classes, found, file);
            problems.add("output.class", what, fix);
            return None;
        }
        let zip_map = found.zip_map(tensor);
        Some(OutputRole {
            tensor: zip_map.map_or(tensor, |zip_map| &zip_map.input).to_owned(),
            column: column.clone(),
            reading: reading.clone(),
            zip_map: zip_map.map(|zip_map| zip_map.output.clone()),
            classes,
        })
    }

    /// The columns, as far as they are said: the contract's, or those of the classes it names.
    fn indexes(&self) -> Option<Vec<usize>> {
        match &self.column {
            ScoreColumns::Unsaid => None,
            ScoreColumns::Index(columns) => Some(columns.clone()),
            ScoreColumns::Class(classes) => {
                classes.iter().map(|class| self.classes.iter().position(|known| known == class)).collect()
            }
        }
    }

    fn is_class_named(&self) -> bool {
        matches!(self.column, ScoreColumns::Class(_))
    }

    /// What is worth knowing where a list of maps was taken off. A class that is named says all there is to say.
    pub(super) fn warning(&self) -> Option<String> {
        let zip_map = self.zip_map.as_ref().filter(|_| !self.is_class_named())?;
        let column = self.indexes().and_then(|columns| columns.first().copied());
        let class = column.and_then(|index| Some((index, self.classes.get(index)?)));
        let read = class.map(|(index, class)| format!("output.column = {index} is class {class}; "));
        Some(format!(
            "output `{zip_map}` is a list of maps (ZipMap); it is left out and `{}`, which it is made of, read instead. {}the \
             model's classes are {}: write output.class instead of output.column, which names one of them, or export with \
             zipmap=False",
            self.tensor,
            read.unwrap_or_default(),
            classes::list(&self.classes)
        ))
    }

    /// Which of the `columns` that the model answers are the score; whichever where `problems` says that none can be.
    pub(super) fn columns_among(&self, columns: usize, problems: &mut Problems) -> Vec<usize> {
        let place = if self.is_class_named() { "output.class" } else { "output.column" };
        let fits = self.classes.len() == columns;
        match self.indexes() {
            Some(_) if self.is_class_named() && !fits => {
                let (named, classes) = (self.classes.len(), classes::list(&self.classes));
                let what = format!("the output has {columns} columns, and the model names {named} classes: {classes}");
                problems.add(
                    place,
                    what,
                    "write column instead, counted from 0; leave both out where there is one column",
                );
            }
            Some(wanted) if wanted.iter().all(|column| *column < columns) => return wanted,
            None if columns == 1 => return vec![0],
            Some(wanted) => {
                let beyond = wanted.into_iter().find(|column| *column >= columns).unwrap_or_default();
                let fix = match columns {
                    1 => "leave column out: there is one column".to_owned(),
                    _ => format!("columns 0 to {} are there", columns - 1),
                };
                problems.add(place, format!("is {beyond}, the output has {columns} columns"), fix);
            }
            None => {
                let fix = match fits {
                    true => format!(
                        "write output.class with the class that is fraud; the model's classes are {}",
                        classes::list(&self.classes)
                    ),
                    false => format!(
                        "write which column is the probability of fraud, counted from 0: column = 0 to column = {}; a list is \
                         summed up, and one_minus = true takes the score from 1",
                        columns - 1
                    ),
                };
                problems.add(place, format!("is missing, and the output has {columns} columns"), fix);
            }
        }
        vec![0]
    }
}

/// The output that a contract without `tensor` means: the only one that can hold scores, or the only one of those that is
/// called a probability.
fn only_candidate(found: &Inspection, problems: &mut Problems) -> Option<String> {
    let can_be = |outlet: &&Outlet| outlet.is_float() || found.zip_map(&outlet.name).is_some();
    let candidates: Vec<&Outlet> = found.outlets.iter().filter(can_be).collect();
    let named = |outlet: &&&Outlet| outlet.name.to_lowercase().contains("prob");
    match (&candidates[..], &candidates.iter().filter(named).collect::<Vec<_>>()[..]) {
        ([only], _) => Some(only.name.clone()),
        ([_, ..], [only]) => Some(only.name.clone()),
        ([], _) => {
            let all = list(found.outputs.keys().map(String::as_str));
            let fix = "export it with an output of probabilities, logits or anomaly scores: a label is no score";
            problems.add("output.tensor", format!("is missing, and no output of the model holds floats: {all}"), fix);
            None
        }
        (several, _) => {
            let describe = |outlet: &&Outlet| match found.zip_map(&outlet.name) {
                Some(_) => format!("tensor = {:?} (a list of maps)", outlet.name),
                None => format!("tensor = {:?} ({})", outlet.name, outlet.describe()),
            };
            let choices = several.iter().map(describe).collect::<Vec<_>>().join(", or ");
            let what = "is missing, and several outputs could hold the score";
            problems.add("output.tensor", what, format!("write one of them under [output]: {choices}"));
            None
        }
    }
}

/// What is wrong with a class that the tensor does not have, and its fix.
fn unknown(tensor: &str, class: &Class, classes: &[Class], found: &Inspection, file: &[u8]) -> (String, String) {
    if !classes.is_empty() {
        let what = format!("is {class}; the model's classes are {}", classes::list(classes));
        return (what, format!("write class = {}", classes::nearest(class, classes)));
    }
    let what = format!("is {class}, and `{tensor}` has no columns of classes that the model names");
    let mut others = found.outputs.keys().map(|name| (name, found.classes(name, file)));
    let fix = match others.find(|(_, classes)| classes.contains(class)) {
        Some((other, classes)) => {
            let classes = classes::list(&classes);
            format!("write output.tensor = {other:?}, whose classes are {classes}; or column, counted from 0")
        }
        None => {
            "write column instead of class: the place of the fraud class in the training's order (model.classes_ in \
             Python), counted from 0"
                .to_owned()
        }
    };
    (what, fix)
}

/// One value, or a list of them; several are summed up, so each stands there once.
fn read_list<T: PartialEq>(
    section: &mut Section<'_>,
    key: &'static str,
    problems: &mut Problems,
    read: impl Fn(&Value) -> Option<T>,
) -> Option<Vec<T>> {
    let value = section.get(key)?;
    let one = std::slice::from_ref(value);
    let values = value.as_array().map_or(one, Vec::as_slice);
    let all: Option<Vec<T>> = values.iter().map(read).collect();
    let is_twice = |all: &[T]| (1..all.len()).any(|at| all[..at].contains(&all[at]));
    match all.filter(|all| !all.is_empty()) {
        Some(all) if is_twice(&all) => {
            problems.add(section.place(key), "names one of them twice", "several are summed up: name each once");
            None
        }
        Some(all) => Some(all),
        None => {
            let fix = match key {
                "column" => "write the class's column, counted from 0, or a list of columns that are summed up",
                _ => {
                    "write the training's label of fraud: a text, such as \"fraud\", or an integer, such as 1; or a list of \
                     labels whose probabilities are summed up"
                }
            };
            problems.add(section.place(key), format!("is {value}"), fix);
            None
        }
    }
}

fn read_reading(section: &mut Section<'_>, problems: &mut Problems) -> Reading {
    let mut reading = Reading::default();
    match section.get("one_minus") {
        None => {}
        Some(Value::Boolean(one_minus)) => reading.one_minus = *one_minus,
        Some(other) => problems.add(section.place("one_minus"), format!("is {other}"), "write true, or leave it out"),
    }
    match section.get("activation") {
        None => {}
        Some(Value::String(text)) if text == "sigmoid" => reading.activation = Some(Activation::Sigmoid),
        Some(Value::String(text)) if text == "softmax" => reading.activation = Some(Activation::Softmax),
        Some(other) => {
            let fix = "write \"sigmoid\" or \"softmax\", or leave it out where the output holds probabilities";
            problems.add(section.place("activation"), format!("is {other}"), fix);
        }
    }
    match section.get("scale") {
        None => {}
        Some(Value::Table(table)) => reading.scale = read_scale(table, section.place("scale"), problems),
        Some(other) => {
            let fix = "write the answers that become the scores 0 and 1: scale = { zero = 0.0, one = 100.0 }";
            problems.add(section.place("scale"), format!("is {other}"), fix);
        }
    }
    if reading.scale.is_some() && reading.activation.is_some() {
        problems.add(section.place("scale"), "stands beside output.activation", "keep one of the two");
    }
    reading
}

fn read_scale(table: &Table, place: String, problems: &mut Problems) -> Option<Scale> {
    let mut section = Section::new(table, place);
    let zero = section.number("zero", "the answer that becomes the score 0", problems);
    let one = section.number("one", "the answer that becomes the score 1", problems);
    section.finish(problems);
    let (zero, one) = (zero?, one?);
    if zero == one {
        let fix = "write two answers that lie apart; one may be below zero where small answers are the fraud";
        problems.add("output.scale", "has the same answer for 0 and 1", fix);
        return None;
    }
    Some(Scale { zero, one })
}
