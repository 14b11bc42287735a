//! What a start means for an instance id that is in use: the heart of singleton orchestrations.

use crate::{RuntimeStatus, Token};
use std::{fmt, str::FromStr};

/// What an existing instance of the id means for a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub enum IfExists {
    /// Any instance, live or finished, refuses the start.
    Reject,
    /// A live instance refuses the start; a finished one is replaced.
    #[default]
    ReplaceFinished,
    /// Answer with the existing instance, live or finished.
    UseExisting,
    /// Answer with a live instance; a finished one is replaced.
    UseExistingIfLive,
    /// A live instance is terminated in the same commit; the new run always starts.
    TerminateAndReplace,
    /// The run begins when the live instance, and all that wait behind it, are over: in the commit that ends the last.
    Queue,
}

impl IfExists {
    /// Every policy.
    pub const ALL: [Self; 6] = [
        Self::Reject,
        Self::ReplaceFinished,
        Self::UseExisting,
        Self::UseExistingIfLive,
        Self::TerminateAndReplace,
        Self::Queue,
    ];

    /// The name as users write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reject => "reject",
            Self::ReplaceFinished => "replace-finished",
            Self::UseExisting => "use-existing",
            Self::UseExistingIfLive => "use-existing-if-live",
            Self::TerminateAndReplace => "terminate-and-replace",
            Self::Queue => "queue",
        }
    }
}

impl fmt::Display for IfExists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No policy has this name; names the known ones.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is none of reject, replace-finished, use-existing, use-existing-if-live, terminate-and-replace, queue"
)]
pub struct UnknownIfExists(String);

impl FromStr for IfExists {
    type Err = UnknownIfExists;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|policy| policy.as_str() == text);
        found.ok_or_else(|| UnknownIfExists(text.to_owned()))
    }
}

/// What to do about a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartDecision {
    /// Nothing holds the id: start.
    Start,
    /// A finished run holds it: keep that as a previous generation, and start.
    Replace,
    /// A live run holds it: terminate that, keep it as a previous generation, and start.
    TerminateAndReplace,
    /// A live run holds it: keep the start until that is over.
    Queue,
    /// Do not start; the existing run is the answer.
    UseExisting,
    /// Do not start; the id is in use.
    AlreadyExists,
    /// Do not start; something changed since the caller looked.
    Changed,
}

/// Decides a start, given what holds the id.
///
/// `expected` is the token that the caller has seen, if it gave one; `current` is the id's token now.
#[must_use]
pub fn decide_start(
    if_exists: IfExists,
    expected: Option<Token>,
    current: Token,
    existing: Option<RuntimeStatus>,
) -> StartDecision {
    if expected.is_some_and(|token| token != current) {
        return StartDecision::Changed;
    }
    let Some(status) = existing else { return StartDecision::Start };
    match (if_exists, status.is_finished()) {
        (IfExists::Reject, _) | (IfExists::ReplaceFinished, false) => StartDecision::AlreadyExists,
        (IfExists::UseExisting, _) | (IfExists::UseExistingIfLive, false) => StartDecision::UseExisting,
        (IfExists::TerminateAndReplace, false) => StartDecision::TerminateAndReplace,
        (IfExists::Queue, false) => StartDecision::Queue,
        (
            IfExists::ReplaceFinished
            | IfExists::UseExistingIfLive
            | IfExists::TerminateAndReplace
            | IfExists::Queue,
            true,
        ) => StartDecision::Replace,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_against_nothing_a_live_and_a_finished_instance() {
        use StartDecision as D;
        let live = [RuntimeStatus::Pending, RuntimeStatus::Running, RuntimeStatus::Suspended];
        let finished = [RuntimeStatus::Completed, RuntimeStatus::Failed, RuntimeStatus::Terminated];
        let table = [
            (IfExists::Reject, D::AlreadyExists, D::AlreadyExists),
            (IfExists::ReplaceFinished, D::AlreadyExists, D::Replace),
            (IfExists::UseExisting, D::UseExisting, D::UseExisting),
            (IfExists::UseExistingIfLive, D::UseExisting, D::Replace),
            (IfExists::TerminateAndReplace, D::TerminateAndReplace, D::Replace),
            (IfExists::Queue, D::Queue, D::Replace),
        ];
        for (policy, if_live, if_finished) in table {
            let decide = |existing| decide_start(policy, None, Token(1), existing);
            assert_eq!(decide(None), D::Start, "{policy}");
            for status in live {
                assert_eq!(decide(Some(status)), if_live, "{policy} {status}");
            }
            for status in finished {
                assert_eq!(decide(Some(status)), if_finished, "{policy} {status}");
            }
        }
    }

    #[test]
    fn an_old_token_refuses_whatever_the_policy() {
        for policy in IfExists::ALL {
            for existing in [None, Some(RuntimeStatus::Running), Some(RuntimeStatus::Completed)] {
                let decision = decide_start(policy, Some(Token(1)), Token(2), existing);
                assert_eq!(decision, StartDecision::Changed, "{policy}");
            }
            assert_eq!(decide_start(policy, Some(Token(2)), Token(2), None), StartDecision::Start);
        }
    }

    #[test]
    fn policy_reads_what_it_shows() {
        for policy in IfExists::ALL {
            assert_eq!(policy.as_str().parse(), Ok(policy));
        }
        assert!("Reject".parse::<IfExists>().is_err());
    }
}
