//! Which of the model's answers is the score: the contract's `[output]`, then what the graph makes of it, then the column
//! of what the model really answered.

use toml::Value;

use crate::model::classes::{self, Class};
use crate::model::onnx::Inspection;
use crate::model::problem::{Problems, list};
use crate::model::section::Section;

/// The part of the model's answer that is the score. As the contract has it, it names a tensor and a column; resolved
/// against the graph, it knows the column's neighbours and what was taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputRole {
    /// The tensor to read: the contract's, or what its ZipMap is made of.
    pub tensor: String,
    pub column: ScoreColumn,
    /// The list of maps that the contract names instead of a tensor. Its node is taken off the model.
    pub zip_map: Option<String>,
    /// The names of the tensor's columns; empty where the model has none.
    pub classes: Vec<Class>,
}

/// Which of the tensor's columns is the score, in the contract's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScoreColumn {
    /// The only one.
    Unsaid,
    /// Counted from 0.
    Index(usize),
    /// The one of this class.
    Class(Class),
}

impl OutputRole {
    /// The contract's section.
    pub(super) fn read(mut section: Section<'_>, problems: &mut Problems) -> Option<OutputRole> {
        let tensor = section.text("tensor", "the output's name", problems);
        let index = match section.get("column") {
            None => None,
            Some(Value::Integer(column)) if (0..=i64::from(u16::MAX)).contains(column) => usize::try_from(*column).ok(),
            Some(other) => {
                problems.add(
                    section.place("column"),
                    format!("is {other}"),
                    "write the class's column, counted from 0",
                );
                None
            }
        };
        let class = match section.get("class") {
            None => None,
            Some(Value::Integer(number)) => Some(Class::Number(*number)),
            Some(Value::String(text)) => Some(Class::Text(text.clone())),
            Some(other) => {
                let fix = "write the training's label of fraud: a text, such as \"fraud\", or an integer, such as 1";
                problems.add(section.place("class"), format!("is {other}"), fix);
                None
            }
        };
        if index.is_some() && class.is_some() {
            problems.add(section.place("class"), "stands beside output.column", "keep one of the two");
        }
        section.finish(problems);
        let column = match (class, index) {
            (Some(class), _) => ScoreColumn::Class(class),
            (None, Some(index)) => ScoreColumn::Index(index),
            (None, None) => ScoreColumn::Unsaid,
        };
        Some(OutputRole { tensor: tensor?, column, zip_map: None, classes: Vec::new() })
    }

    /// The role in the graph that was `found` in `file`. `None` where it cannot be played there, and `problems` says why.
    pub(super) fn resolve(&self, found: &Inspection, file: &[u8], problems: &mut Problems) -> Option<OutputRole> {
        let OutputRole { tensor, column, .. } = self;
        if !found.outputs.contains_key(tensor) {
            let names = list(found.outputs.keys().map(String::as_str));
            let what = format!("the model has no output `{tensor}`");
            problems.add("output.tensor", what, format!("name one of its outputs: {names}"));
            return None;
        }
        let classes = found.classes(tensor, file);
        if let ScoreColumn::Class(class) = column
            && !classes.contains(class)
        {
            let (what, fix) = self.unknown(class, &classes, found, file);
            problems.add("output.class", what, fix);
            return None;
        }
        let zip_map = found.zip_map(tensor);
        Some(OutputRole {
            tensor: zip_map.map_or(tensor, |zip_map| &zip_map.input).clone(),
            column: column.clone(),
            zip_map: zip_map.map(|zip_map| zip_map.output.clone()),
            classes,
        })
    }

    /// What is wrong with a class that the tensor does not have, and its fix.
    fn unknown(&self, class: &Class, classes: &[Class], found: &Inspection, file: &[u8]) -> (String, String) {
        if !classes.is_empty() {
            let what = format!("is {class}; the model's classes are {}", classes::list(classes));
            return (what, format!("write class = {}", classes::nearest(class, classes)));
        }
        let what = format!("is {class}, and `{}` has no columns of classes that the model names", self.tensor);
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

    /// The column, as far as it is said: the contract's, or that of the class it names.
    fn index(&self) -> Option<usize> {
        match &self.column {
            ScoreColumn::Unsaid => None,
            ScoreColumn::Index(index) => Some(*index),
            ScoreColumn::Class(class) => self.classes.iter().position(|known| known == class),
        }
    }

    fn is_class_named(&self) -> bool {
        matches!(self.column, ScoreColumn::Class(_))
    }

    /// What is worth knowing where a list of maps was taken off. A class that is named says all there is to say.
    pub(super) fn warning(&self) -> Option<String> {
        let zip_map = self.zip_map.as_ref().filter(|_| !self.is_class_named())?;
        let class = self.index().and_then(|index| Some((index, self.classes.get(index)?)));
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

    /// Which of the `columns` that the model answers is the score; whichever where `problems` says that none can be.
    pub(super) fn column_among(&self, columns: usize, problems: &mut Problems) -> usize {
        let place = if self.is_class_named() { "output.class" } else { "output.column" };
        let fits = self.classes.len() == columns;
        match self.index() {
            Some(_) if self.is_class_named() && !fits => {
                let (named, classes) = (self.classes.len(), classes::list(&self.classes));
                let what = format!("the output has {columns} columns, and the model names {named} classes: {classes}");
                problems.add(
                    place,
                    what,
                    "write column instead, counted from 0; leave both out where there is one column",
                );
            }
            Some(column) if column < columns => return column,
            None if columns == 1 => return 0,
            Some(column) => {
                let fix = match columns {
                    1 => "leave column out: there is one column".to_owned(),
                    _ => format!("columns 0 to {} are there", columns - 1),
                };
                problems.add(place, format!("is {column}, the output has {columns} columns"), fix);
            }
            None => {
                let fix = match fits {
                    true => format!(
                        "write output.class with the class that is fraud; the model's classes are {}",
                        classes::list(&self.classes)
                    ),
                    false => "write which column is the probability of fraud, counted from 0".to_owned(),
                };
                problems.add(place, format!("is missing, and the output has {columns} columns"), fix);
            }
        }
        0
    }
}
