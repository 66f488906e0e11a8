//! The desk where schemas are read and compiled, for all lanes of a node: on a thread of its own, so that no lane waits
//! for a file or a compiler. A lane's questions go there, and its partition waits for the answer as it does for a schema
//! that is absent; other partitions go on.
#![expect(clippy::disallowed_methods, reason = "questions and news are few: see SchemaDesk")]

use std::collections::HashMap;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, never, select, tick, unbounded};

use crate::avro::planner::{self, Answer, News, Planner, Plans, QUESTIONS_MAX};
use crate::avro::schemas::key_text;
use crate::doors::Waker;
use crate::values::record::SchemaKey;

/// Keys at most whose answers lanes are told of when they come; those beyond, the lanes ask for again.
const KEPT_MAX: usize = 8 * QUESTIONS_MAX;

/// One lane's question.
struct Question {
    lane: usize,
    key: SchemaKey,
    is_first: bool,
    waker: Waker,
}

/// Owns the planner. Neither queue needs a bound of its own: a lane has no more than [`QUESTIONS_MAX`] questions open, and
/// what it hears beside their answers (notes on new schemas, keys that two files claim) comes once for each file.
pub struct SchemaDesk {
    planner: Planner,
    questions: Receiver<Question>,
    /// Until it serves: with it the desk would wait for itself.
    asker: Option<Sender<Question>>,
    lanes: Vec<Sender<News>>,
    /// Questions whose answers come later, one of each lane.
    kept: HashMap<SchemaKey, Vec<Question>>,
}

impl SchemaDesk {
    pub fn new(planner: Planner) -> SchemaDesk {
        let (asker, questions) = unbounded();
        SchemaDesk { planner, questions, asker: Some(asker), lanes: Vec::new(), kept: HashMap::new() }
    }

    /// The end of one more lane.
    pub fn counter(&mut self) -> Counter {
        let (to_lane, from) = unbounded();
        self.lanes.push(to_lane);
        let to = self.asker.clone().expect("it does not serve yet");
        Counter { lane: self.lanes.len() - 1, to, from, asked: HashMap::new(), waker: Waker::default() }
    }

    /// Answers until every lane is gone, and looks once in a while whether the folder has changed.
    pub fn serve(mut self, refresh_every: Duration) {
        self.asker = None;
        let (questions, looks) = (self.questions.clone(), tick(refresh_every));
        let bell = self.planner.bell().unwrap_or_else(never);
        loop {
            select! {
                recv(questions) -> question => match question {
                    Ok(question) => self.answer(question),
                    Err(_) => return,
                },
                recv(bell) -> _ => self.take_arrived(),
                recv(looks) -> _ => {
                    self.planner.refresh();
                    self.pass_on(0);
                }
            }
        }
    }

    /// Answers the first question that waits, for a driver that has one thread for both sides. Returns whether one did.
    pub fn serve_one(&mut self) -> bool {
        let question = self.questions.try_recv();
        question.is_ok_and(|question| {
            self.answer(question);
            true
        })
    }

    fn answer(&mut self, question: Question) {
        let asked = self.planner.ask_now(question.key, question.is_first);
        self.pass_on(question.lane);
        question.waker.wake();
        if asked != planner::Asked::Answered {
            self.keep(question);
        }
    }

    fn keep(&mut self, question: Question) {
        if self.kept.len() < KEPT_MAX || self.kept.contains_key(&question.key) {
            let of_key = self.kept.entry(question.key).or_default();
            of_key.retain(|other| other.lane != question.lane);
            of_key.push(question);
        }
    }

    /// Answers what was asked before and has an answer now. What nobody asked for yet is compiled all the same.
    pub fn take_arrived(&mut self) {
        for key in self.planner.arrived() {
            match self.kept.remove(&key) {
                Some(questions) => questions.into_iter().for_each(|question| self.answer(question)),
                None => drop(self.planner.ask_now(key, false)),
            }
        }
        self.pass_on(0);
    }

    /// Every lane hears what it must forget; one hears the rest.
    fn pass_on(&mut self, lane: usize) {
        while let Some(news) = self.planner.news() {
            let is_for_all = matches!(news, News::Forget(_));
            // A lane that is gone needs to know nothing.
            for (_, to) in self.lanes.iter().enumerate().filter(|(at, _)| is_for_all || *at == lane) {
                let _ = to.send(news.clone());
            }
        }
    }
}

/// A lane's end of the desk.
pub struct Counter {
    lane: usize,
    to: Sender<Question>,
    from: Receiver<News>,
    /// What the lane has asked for and has no plan for.
    asked: HashMap<SchemaKey, Asked>,
    waker: Waker,
}

enum Asked {
    Coming,
    /// And why.
    Pending(String),
}

impl Plans for Counter {
    fn ask(&mut self, key: SchemaKey, is_first: bool) {
        if self.asked.len() == QUESTIONS_MAX || self.asked.contains_key(&key) {
            return;
        }
        // Nobody there: that thread's panic ends the process.
        if self.to.send(Question { lane: self.lane, key, is_first, waker: self.waker.clone() }).is_ok() {
            self.asked.insert(key, Asked::Coming);
        }
    }

    /// Half of the questions are left to records that wait for nobody else.
    fn ask_ahead(&mut self, key: SchemaKey) {
        if self.has_room_ahead() {
            self.ask(key, true);
        }
    }

    fn has_room_ahead(&self) -> bool {
        self.asked.len() < QUESTIONS_MAX / 2
    }

    fn news(&mut self) -> Option<News> {
        let news = self.from.try_recv().ok()?;
        if let News::Answer(key, answer) = &news {
            match answer {
                Answer::Pending(why) => self.asked.insert(*key, Asked::Pending(why.clone())),
                Answer::Plan(_) | Answer::Unknown(_) => self.asked.remove(key),
            };
        }
        Some(news)
    }

    fn why(&self, key: SchemaKey) -> String {
        match self.asked.get(&key) {
            Some(Asked::Pending(why)) => why.clone(),
            _ => format!("schema {} is being looked for and compiled", key_text(key)),
        }
    }

    fn is_coming(&self, key: SchemaKey) -> bool {
        !matches!(self.asked.get(&key), Some(Asked::Pending(_)))
    }

    fn refresh(&mut self) {
        self.asked.retain(|_, asked| matches!(asked, Asked::Coming));
    }

    fn set_waker(&mut self, waker: Waker) {
        self.waker = waker;
    }
}
