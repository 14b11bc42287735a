//! Which of two templates is the more specific one, and whether they are the same.

use super::template::{Parameter, Part, Presence, Segment, Template};

impl Template {
    /// The same for templates that match the same paths.
    pub(crate) fn shape(&self) -> Vec<String> {
        self.segments.iter().map(Segment::shape).collect()
    }
}

impl Segment {
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Literal(_) => 0,
            Self::Mixed(_) => 1,
            Self::Parameter(p) => match (p.constraints.is_empty(), &p.presence) {
                (false, Presence::Required) => 2,
                (false, _) => 3,
                (true, Presence::Required) => 4,
                (true, _) => 5,
            },
            Self::CatchAll(p) if !p.constraints.is_empty() => 6,
            Self::CatchAll(_) => 7,
        }
    }

    pub(crate) fn constraint_count(&self) -> usize {
        match self {
            Self::Literal(_) => 0,
            Self::Parameter(parameter) | Self::CatchAll(parameter) => parameter.constraints.len(),
            Self::Mixed(parts) => {
                let count = |part: &Part| match part {
                    Part::Literal(_) => 0,
                    Part::Parameter(parameter) => parameter.constraints.len(),
                };
                parts.iter().map(count).sum()
            }
        }
    }

    /// The same for segments that match the same texts, whatever their parameters are called.
    fn shape(&self) -> String {
        let literal = |text: &str| format!("{:?}", text.to_ascii_lowercase());
        let parameter = |p: &Parameter| format!("{{{:?}}}", p.constraints);
        match self {
            Self::Literal(text) => literal(text),
            Self::Parameter(p) => format!("{}{}", parameter(p), self.rank()),
            Self::CatchAll(p) => format!("*{}", parameter(p)),
            Self::Mixed(parts) => {
                let shape = |part: &Part| match part {
                    Part::Literal(text) => literal(text),
                    Part::Parameter(p) => parameter(p),
                };
                parts.iter().map(shape).collect()
            }
        }
    }
}
