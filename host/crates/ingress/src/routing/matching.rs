//! Whether a path has the shape of a template, and the values of the parameters in it.

use super::template::{Parameter, Part, Presence, Segment, Template};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// The values of a route's parameters, in the template's order; none for an optional one that is absent.
pub(crate) type RouteParameters = Vec<(String, Option<String>)>;

/// What is left of a path: percent-encoded segments without the slash before them. Empty at its end; one slash at the
/// end of a path means nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Path<'p>(pub(crate) &'p str);

impl<'p> Path<'p> {
    pub(crate) fn next(&mut self) -> Option<&'p str> {
        if self.0.is_empty() {
            return None;
        }
        let (segment, rest) = self.0.split_once('/').unwrap_or((self.0, ""));
        self.0 = rest;
        Some(segment)
    }
}

fn decode(segment: &str) -> Cow<'_, str> {
    percent_decode_str(segment).decode_utf8_lossy()
}

pub(crate) fn is_literal(segment: &str, literal: &str) -> bool {
    segment.eq_ignore_ascii_case(literal)
        || (segment.contains('%') && decode(segment).eq_ignore_ascii_case(literal))
}

impl Template {
    /// The values of the parameters, if the path has this shape.
    pub(crate) fn matches(&self, mut path: Path<'_>) -> Option<RouteParameters> {
        let mut found = RouteParameters::new();
        for segment in &self.segments {
            match segment {
                Segment::Literal(literal) if path.next().is_some_and(|text| is_literal(text, literal)) => {}
                Segment::Literal(_) => return None,
                Segment::Mixed(parts) => match_mixed(parts, &decode(path.next()?), &mut found)?,
                Segment::Parameter(parameter) => {
                    found.push(parameter.take(path.next())?);
                }
                Segment::CatchAll(parameter) => {
                    let rest = std::mem::take(&mut path.0);
                    found.push(parameter.take((!rest.is_empty()).then_some(rest))?);
                }
            }
        }
        path.0.is_empty().then_some(found)
    }
}

impl Parameter {
    /// The parameter with this encoded text as its value; with its default, or none, where the path has ended.
    fn take(&self, text: Option<&str>) -> Option<(String, Option<String>)> {
        let value = match (text, &self.presence) {
            (Some(""), _) => return None,
            (Some(text), _) => {
                Some(decode(text).into_owned()).filter(|value| self.accepts(value)).map(Some)?
            }
            (None, Presence::Default(value)) => Some(value.clone()),
            (None, Presence::Optional) => None,
            (None, Presence::Required) => return None,
        };
        Some((self.name.clone(), value))
    }
}

/// Texts are looked for from the right, so that the last parameters are the shortest, as in ASP.NET Core.
fn match_mixed(parts: &[Part], text: &str, found: &mut RouteParameters) -> Option<()> {
    let first = found.len();
    let mut rest = text;
    let mut open: Option<&Parameter> = None;
    for part in parts.iter().rev() {
        match (part, open.take()) {
            (Part::Parameter(parameter), _) => open = Some(parameter),
            (Part::Literal(literal), None) => rest = strip_suffix(rest, literal)?,
            (Part::Literal(literal), Some(parameter)) => {
                let at = rfind_before_end(rest, literal)?;
                found.push(parameter.take_decoded(rest.get(at + literal.len()..)?)?);
                rest = rest.get(..at)?;
            }
        }
    }
    match open {
        Some(parameter) => found.push(parameter.take_decoded(rest)?),
        None if rest.is_empty() => {}
        None => return None,
    }
    if let Some(mine) = found.get_mut(first..) {
        mine.reverse();
    }
    Some(())
}

impl Parameter {
    fn take_decoded(&self, value: &str) -> Option<(String, Option<String>)> {
        let fits = !value.is_empty() && self.accepts(value);
        fits.then(|| (self.name.clone(), Some(value.to_owned())))
    }
}

fn strip_suffix<'t>(text: &'t str, suffix: &str) -> Option<&'t str> {
    let at = text.len().checked_sub(suffix.len())?;
    let end = text.get(at..)?;
    end.eq_ignore_ascii_case(suffix).then(|| text.get(..at)).flatten()
}

/// Where `literal` occurs last with something after it.
fn rfind_before_end(text: &str, literal: &str) -> Option<usize> {
    let last = text.len().checked_sub(literal.len() + 1)?;
    let is_at = |at: &usize| {
        text.get(*at..at + literal.len()).is_some_and(|found| found.eq_ignore_ascii_case(literal))
    };
    (0..=last).rev().find(is_at)
}
