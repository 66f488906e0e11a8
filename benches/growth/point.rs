//! One point: how large everything is.

use super::memory::doors::Spread;

/// What a record holds that the model does not ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// One text: its length says where it ends.
    Text,
    /// One array of doubles: its count says where it ends.
    Doubles,
    /// One array of records with a text, a double and a long each: there is nothing for it but to walk over them.
    Items,
}

#[derive(Clone, Debug)]
pub struct Point {
    pub features: usize,
    pub trees: usize,
    /// Bytes of a record, about; never fewer than what is read takes.
    pub payload: usize,
    pub unread: Unread,
    pub partitions: i32,
    pub spread: Spread,
    /// Writers' schemas, in turn record by record.
    pub schemas: usize,
    pub lanes: usize,
    /// Records of a batch.
    pub rows: usize,
    /// Records to take without a look at the time, all lanes together; 0 measures.
    pub count: usize,
    /// Whether to wait for a line from the standard input before the lanes are built.
    pub pause: bool,
}

impl Default for Point {
    fn default() -> Point {
        Point {
            features: 30,
            trees: 100,
            payload: 0,
            unread: Unread::Text,
            partitions: 4,
            spread: Spread::Runs,
            schemas: 1,
            lanes: 1,
            rows: 64,
            count: 0,
            pause: false,
        }
    }
}

impl Point {
    /// Words `NAME=VALUE`; what is not named stays as it is by default.
    ///
    /// # Errors
    /// What is wrong with a word.
    pub fn parse<'w>(words: impl Iterator<Item = &'w str>) -> Result<Point, String> {
        let mut point = Point::default();
        for word in words {
            let (name, value) = word.split_once('=').ok_or_else(|| format!("{word:?} is not NAME=VALUE"))?;
            let number = || value.parse::<usize>().map_err(|_| format!("{word:?}: not a number"));
            let size = || number().and_then(|size| if size > 0 { Ok(size) } else { Err(format!("{word:?}: zero")) });
            match (name, value) {
                ("features", _) => point.features = size()?,
                ("trees", _) => point.trees = size()?,
                ("payload", _) => point.payload = number()?,
                ("unread", "text") => point.unread = Unread::Text,
                ("unread", "doubles") => point.unread = Unread::Doubles,
                ("unread", "items") => point.unread = Unread::Items,
                ("partitions", _) => point.partitions = i32::try_from(size()?).map_err(|_| word.to_owned())?,
                ("spread", "runs") => point.spread = Spread::Runs,
                ("spread", "singles") => point.spread = Spread::Singles,
                ("schemas", _) => point.schemas = size()?,
                ("lanes", _) => point.lanes = size()?,
                ("rows", _) => point.rows = size()?,
                ("count", _) => point.count = number()?,
                ("pause", "yes") => point.pause = true,
                _ => return Err(format!("{word:?}: no such size")),
            }
        }
        Ok(point)
    }
}
