//! Which of the model's answers is the score.

use crate::model::answers::AnswerRange;
use crate::model::classes::{self, Class};
use crate::model::model_file::{Answered, ModelFile};
use crate::model::outlets::Outlet;
use crate::model::output_role::ScoreColumn;
use crate::model::problem::list;

/// The output, as far as it is clear. What is undecided has the words that a person reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    pub tensor: Result<String, String>,
    /// Why this one.
    pub tensor_why: String,
    pub column: Result<ScoreColumn, String>,
    pub column_why: String,
    /// What makes probabilities of the answers, where they are none: a key of the contract, and the words for whoever decides.
    pub lacking: Option<(&'static str, String)>,
    /// Scores of the rows that were tried, where there is one for each.
    pub scored: Option<Scored>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    pub scores: Vec<f64>,
    pub range: AnswerRange,
}

/// Labels that mean fraud, in lower case.
const FRAUD: [&str; 16] = [
    "fraud",
    "fraudulent",
    "is_fraud",
    "isfraud",
    "bad",
    "positive",
    "true",
    "yes",
    "y",
    "1",
    "chargeback",
    "abuse",
    "suspicious",
    "illicit",
    "anomaly",
    "scam",
];

/// Asks the model for the answers at an output to rows of records (`are_records`), or to drawn ones.
pub struct Asking<'a> {
    pub are_records: bool,
    /// Some columns are not decided: that the model fails may be theirs.
    pub is_undecided: bool,
    pub answers: &'a dyn Fn(&str) -> Result<Answered, String>,
}

/// The output and its column, as far as the graph and some answers say.
pub fn score(model: &ModelFile, asking: &Asking<'_>) -> Score {
    let (tensor, tensor_why) = tensor(model);
    let Ok(name) = &tensor else {
        return Score::without(tensor, tensor_why);
    };
    let classes = model.classes(name);
    let answered = match (asking.answers)(name) {
        Ok(answered) => answered.answers,
        Err(why) if asking.is_undecided => {
            let (column, column_why) = unanswered(model, name, &classes, &why);
            return Score { column, column_why, ..Score::without(tensor, tensor_why) };
        }
        Err(why) => {
            return Score::without(Err(format!("the model {why}")), tensor_why);
        }
    };
    let columns = answered.ncols();
    let (column, mut column_why) = match !classes.is_empty() && classes.len() == columns {
        true => of_classes(&classes),
        false => of_columns(&answered.columns().into_iter().map(mean).collect::<Vec<_>>(), asking.are_records),
    };
    let index = match &column {
        Ok(ScoreColumn::Unsaid) => Some(0),
        Ok(ScoreColumn::Index(index)) => Some(*index),
        Ok(ScoreColumn::Class(class)) => classes.iter().position(|known| known == class),
        Err(_) => None,
    };
    let scores = index.filter(|index| *index < columns).map(|index| answered.column(index).to_vec());
    // Of classes each column is to be a probability; and all are looked at as long as nobody has said which column counts.
    let are_classes = columns > 1 && columns == classes.len();
    let looked_at = scores.clone().filter(|_| !are_classes).unwrap_or_else(|| answered.iter().copied().collect());
    let range = AnswerRange::of(&looked_at);
    let lacking = (range.outside > 0).then(|| {
        let (key, (kind, fix)) = range.lacking(are_classes);
        (key, format!("the answers are outside 0 to 1 ({}) and look like {kind}: {fix}", range.numbers()))
    });
    let scored = scores.filter(|_| lacking.is_none()).map(|scores| Scored { range: AnswerRange::of(&scores), scores });
    if let Some(Scored { range, .. }) = scored.as_ref().filter(|scored| scored.range.not_finite > 0) {
        // NaN to rows that it should answer: those are left out of the golden rows.
        column_why.push_str(&format!("; {} of its answers are no numbers", range.share(range.not_finite)));
    }
    Score { tensor, tensor_why, column, column_why, lacking, scored }
}

/// The column as far as the graph alone says it.
fn unanswered(model: &ModelFile, output: &str, classes: &[Class], why: &str) -> (Result<ScoreColumn, String>, String) {
    let untried = format!("no row was tried, since columns are not decided: the model {why}");
    let declared = model.facts.outputs.iter().find(|found| found.name == output).and_then(Outlet::width);
    let (column, column_why) = match (classes, declared) {
        ([], Some(columns)) => of_columns(&vec![f64::NAN; columns], false),
        ([], None) => {
            let why =
                "which column is the probability of fraud, counted from 0; leave column out where there is one alone";
            (Err(why.to_owned()), String::new())
        }
        (classes, _) => of_classes(classes),
    };
    let column_why = if column_why.is_empty() { untried.clone() } else { format!("{column_why}; {untried}") };
    (column, column_why)
}

fn mean(column: ndarray::ArrayView1<'_, f64>) -> f64 {
    let finite = column.iter().copied().filter(|value| value.is_finite());
    let (sum, count) = finite.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / f64::max(count, 1.0)
}

impl Score {
    /// Nothing is said of a column as long as the output is open.
    fn without(tensor: Result<String, String>, tensor_why: String) -> Score {
        let (column, column_why) = (Ok(ScoreColumn::Unsaid), String::new());
        Score { tensor, tensor_why, column, column_why, lacking: None, scored: None }
    }
}

/// The output that holds probabilities.
fn tensor(model: &ModelFile) -> (Result<String, String>, String) {
    let outputs = &model.facts.outputs;
    let may_be = |name: &str| model.is_zip_map(name) || outputs.iter().any(|out| out.name == name && out.is_float());
    let fits: Vec<&str> = outputs.iter().map(|output| output.name.as_str()).filter(|name| may_be(name)).collect();
    let labels: Vec<&str> =
        outputs.iter().map(|output| output.name.as_str()).filter(|name| !fits.contains(name)).collect();
    let beside = match &labels[..] {
        [] => String::new(),
        labels => format!("; {} holds labels", list(labels.iter().copied())),
    };
    let of_name: Vec<&str> = fits.iter().copied().filter(|name| name.to_lowercase().contains("prob")).collect();
    let of_class: Vec<&str> = fits.iter().copied().filter(|name| !model.classes(name).is_empty()).collect();
    match (&fits[..], &of_name[..], &of_class[..]) {
        ([], _, _) => {
            let outputs = list(labels.into_iter());
            let why = format!(
                "none of the model's outputs ({outputs}) holds floats: export it with its probabilities, or name one that does"
            );
            (Err(why), String::new())
        }
        ([only], _, _) => {
            let kind = if model.is_zip_map(only) {
                "of maps from class to probability (ZipMap, which is left out)"
            } else {
                "of floats"
            };
            (Ok((*only).to_owned()), format!("the only output {kind}{beside}"))
        }
        (_, [only], _) => (Ok((*only).to_owned()), format!("by its name{beside}")),
        (_, _, [only]) => (Ok((*only).to_owned()), format!("the only output whose columns are classes{beside}")),
        _ => {
            let why =
                format!("several outputs hold floats: {}; name the one with the probabilities", list(fits.into_iter()));
            (Err(why), String::new())
        }
    }
}

/// The class of fraud by what it is called.
fn of_classes(classes: &[Class]) -> (Result<ScoreColumn, String>, String) {
    let told = classes::list(classes);
    // 1 beside 0 or -1: of 1 and 2 nobody knows.
    let is_one_of = |number: &i64| *number == 1 && classes.iter().all(|other| matches!(other, Class::Number(-1..=1)));
    let is_fraud = |class: &&Class| match class {
        Class::Number(number) => is_one_of(number),
        Class::Text(text) => FRAUD.contains(&text.to_lowercase().as_str()),
    };
    let frauds: Vec<&Class> = classes.iter().filter(is_fraud).collect();
    match (&frauds[..], classes.len()) {
        ([only @ Class::Number(_)], 2) => (
            Ok(ScoreColumn::Class((*only).clone())),
            format!("the model's classes are {told}, and {only} is what trainings call fraud"),
        ),
        ([only], 2) => (
            Ok(ScoreColumn::Class((*only).clone())),
            format!("the model's classes are {told}, and {only} is fraud by its name"),
        ),
        (_, 1) => (Ok(ScoreColumn::Unsaid), format!("the only column: class {told}")),
        _ => {
            let why = format!("which of the model's classes is fraud: {told}; write it as the training has it");
            (Err(why), String::new())
        }
    }
}

/// Columns without names: by how many there are, and which is the rare one among real records.
fn of_columns(means: &[f64], are_records: bool) -> (Result<ScoreColumn, String>, String) {
    match means {
        [_] => (Ok(ScoreColumn::Unsaid), "the only column".to_owned()),
        [zero, one] if are_records && (zero - one).abs() > 0.5 => {
            let index = usize::from(one < zero);
            let why = format!(
                "the model names no classes; over the records column 0 answers {zero:.4} in the mean and column 1 {one:.4}, and \
                 fraud is the rare one"
            );
            (Ok(ScoreColumn::Index(index)), why)
        }
        columns => {
            let why = format!(
                "which of the {} columns is the probability of fraud, counted from 0: the place of the fraud class in the \
                 training's order (model.classes_ in Python; mostly 1 of two)",
                columns.len()
            );
            (Err(why), String::new())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_of_fraud_is_known_by_its_name_where_there_are_two() {
        let texts = |texts: &[&str]| texts.iter().map(|text| Class::Text((*text).to_owned())).collect::<Vec<_>>();
        let numbers = |numbers: &[i64]| numbers.iter().copied().map(Class::Number).collect::<Vec<_>>();
        assert_eq!(of_classes(&numbers(&[0, 1])).0, Ok(ScoreColumn::Class(Class::Number(1))));
        assert_eq!(of_classes(&numbers(&[-1, 1])).0, Ok(ScoreColumn::Class(Class::Number(1))));
        let fraud = Ok(ScoreColumn::Class(Class::Text("Fraud".into())));
        assert_eq!(of_classes(&texts(&["Fraud", "Legit"])).0, fraud);
        for undecided in [texts(&["red", "blue"]), numbers(&[1, 2, 3]), numbers(&[1, 2]), texts(&["fraud", "abuse"])] {
            assert!(of_classes(&undecided).0.unwrap_err().contains("which of the model's classes"), "{undecided:?}");
        }
    }

    #[test]
    fn columns_without_names_are_told_apart_by_real_records_alone() {
        assert_eq!(of_columns(&[0.3], false).0, Ok(ScoreColumn::Unsaid));
        assert_eq!(of_columns(&[0.99, 0.01], true).0, Ok(ScoreColumn::Index(1)));
        assert_eq!(of_columns(&[0.02, 0.98], true).0, Ok(ScoreColumn::Index(0)));
        assert!(of_columns(&[0.99, 0.01], false).0.is_err());
        assert!(of_columns(&[0.6, 0.4], true).0.is_err());
    }
}
