//! The types that one lane is made of, named once for all its parts.

use std::marker::PhantomData;

use crate::doors::{Clock, Group, Scorer, Sink, Source};
use crate::lane::commit::Commit;

/// What stands behind a lane's doors.
pub trait LaneTypes {
    type Source: Source + Group;
    type Scorer: Scorer;
    type Sink: Sink<RecordOf<Self>>;
    type Commit: Commit<Self::Source, Self::Sink>;
    type Clock: Clock;
}

/// The records that its source hands out.
pub type RecordOf<T> = <<T as LaneTypes>::Source as Source>::Record;

/// These types, in the order of [`LaneTypes`].
pub struct Types<S, M, K, D, C>(PhantomData<(S, M, K, D, C)>);

impl<S, M, K, D, C> LaneTypes for Types<S, M, K, D, C>
where
    S: Source + Group,
    M: Scorer,
    K: Sink<S::Record>,
    D: Commit<S, K>,
    C: Clock,
{
    type Source = S;
    type Scorer = M;
    type Sink = K;
    type Commit = D;
    type Clock = C;
}
