//! What a lane is at, for whoever finds that it hangs: one store before each step that may.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// A step of a lane's life that calls something which may not come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Doing {
    Nothing,
    Polling,
    /// Everything else that is asked of the consumer.
    Consumer,
    Decoding,
    Model,
    Producing,
    Acks,
    Committing,
    Aborting,
    Closing,
    LettingGo,
}

impl Doing {
    const ALL: [Doing; 11] = [
        Doing::Nothing,
        Doing::Polling,
        Doing::Consumer,
        Doing::Decoding,
        Doing::Model,
        Doing::Producing,
        Doing::Acks,
        Doing::Committing,
        Doing::Aborting,
        Doing::Closing,
        Doing::LettingGo,
    ];

    /// As it goes on after "it is".
    pub fn words(self) -> &'static str {
        match self {
            Doing::Nothing => "between two steps",
            Doing::Polling => "polling its consumer",
            Doing::Consumer => "at its consumer, for assignment, pause, resume, seek or lag",
            Doing::Decoding => "decoding",
            Doing::Model => "in its model",
            Doing::Producing => "handing outcomes to its producer",
            Doing::Acks => "serving its producer's delivery reports",
            Doing::Committing => "committing",
            Doing::Aborting => "giving a transaction up, or its producer",
            Doing::Closing => "closing its consumer",
            Doing::LettingGo => "letting its clients go",
        }
    }
}

/// The step that a lane began last.
#[derive(Debug, Default)]
pub struct LastStep(AtomicU8);

impl LastStep {
    /// Once for each batch or step, never for each record.
    #[inline]
    pub fn set(&self, doing: Doing) {
        self.0.store(doing as u8, Relaxed);
    }

    pub fn get(&self) -> Doing {
        Doing::ALL.get(usize::from(self.0.load(Relaxed))).copied().unwrap_or(Doing::Nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_read_back() {
        let last = LastStep::default();
        assert_eq!(last.get(), Doing::Nothing);
        for doing in Doing::ALL {
            last.set(doing);
            assert_eq!(last.get(), doing);
        }
    }
}
