//! Which request meets which fault: by its kind, and by how many of that kind come before it. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use super::frames::Kind;

/// What happens to a request, its response, or their connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The broker answers; the answer is not passed on.
    Swallow,
    /// The answer, and with it what follows on the connection, comes later.
    Delay(Duration),
    /// The connection ends and the broker never sees the request.
    CloseBefore,
    /// The broker answers, then the connection ends without the answer.
    CloseAfter,
    /// So many bytes of the answer are passed on, then the connection ends.
    Cut(usize),
    /// All connections are silent for some time, then what waited is passed on.
    BlackHole(Duration),
}

/// A fault that waits for its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Armed {
    /// Of which kind that is.
    pub kind: Kind,
    /// Requests of the kind that pass before.
    pub skip: u64,
    /// What happens to it.
    pub fault: Fault,
}

/// Faults that wait, and how many have happened.
#[derive(Debug, Default)]
pub struct Plan {
    waiting: VecDeque<Armed>,
    happened: u64,
}

impl Plan {
    /// Lets a fault wait for its request.
    pub fn arm(&mut self, armed: Armed) {
        self.waiting.push_back(armed);
    }

    /// Forgets faults whose request did not come; gives how many have happened in all.
    pub fn disarm(&mut self) -> u64 {
        self.waiting.clear();
        self.happened
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// What happens to a request that came now: the first fault whose turn it is.
    pub fn decide(&mut self, kind: Kind) -> Option<Fault> {
        let of_kind = |armed: &Armed| armed.kind == kind;
        let due = self.waiting.iter().position(|armed| of_kind(armed) && armed.skip == 0);
        for armed in self.waiting.iter_mut().filter(|armed| of_kind(armed)) {
            armed.skip = armed.skip.saturating_sub(1);
        }
        let armed = self.waiting.remove(due?)?;
        self.happened += 1;
        Some(armed.fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_meets_the_request_of_its_kind_whose_turn_it_is_and_no_other() {
        let mut plan = Plan::default();
        plan.arm(Armed { kind: Kind::PRODUCE, skip: 1, fault: Fault::Swallow });
        plan.arm(Armed { kind: Kind::END_TXN, skip: 0, fault: Fault::CloseAfter });
        plan.arm(Armed { kind: Kind::PRODUCE, skip: 1, fault: Fault::CloseBefore });
        assert_eq!(plan.decide(Kind::FETCH), None);
        assert_eq!(plan.decide(Kind::PRODUCE), None);
        assert_eq!(plan.decide(Kind::END_TXN), Some(Fault::CloseAfter));
        assert_eq!(plan.decide(Kind::END_TXN), None);
        assert_eq!(plan.decide(Kind::PRODUCE), Some(Fault::Swallow));
        assert_eq!(plan.waiting(), 1);
        assert_eq!(plan.decide(Kind::PRODUCE), Some(Fault::CloseBefore));
        plan.arm(Armed { kind: Kind::FETCH, skip: 5, fault: Fault::Cut(3) });
        assert_eq!(plan.disarm(), 3);
        assert_eq!((plan.waiting(), plan.decide(Kind::FETCH)), (0, None));
    }
}
