//! The language of route templates: `products/{category:alpha}/{id:int?}`.

use super::constraint::Constraint;

/// A parsed route template.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) segments: Vec<Segment>,
}

/// What stands between two slashes of a template.
#[derive(Debug)]
pub(crate) enum Segment {
    /// Text, compared without regard to case.
    Literal(String),
    /// One parameter that takes the whole segment.
    Parameter(Parameter),
    /// Texts and required parameters by turns: `{a}-{b}`.
    Mixed(Vec<Part>),
    /// The last segment: takes all that is left of the path.
    CatchAll(Parameter),
}

/// A piece of a mixed segment.
#[derive(Debug)]
pub(crate) enum Part {
    Literal(String),
    Parameter(Parameter),
}

/// A named place in a template.
#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) constraints: Vec<Constraint>,
    pub(crate) presence: Presence,
}

/// Whether a path must have a value for a parameter.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Required,
    Optional,
    Default(String),
}

/// A route template is malformed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {position}: {why}")]
pub struct TemplateError {
    /// In characters, from 1.
    pub position: usize,
    /// What is wrong there.
    pub why: String,
}

impl Parameter {
    /// Whether the value fulfils every constraint.
    pub(crate) fn accepts(&self, value: &str) -> bool {
        self.constraints.iter().all(|constraint| constraint.accepts(value))
    }

    fn is_required(&self) -> bool {
        self.presence == Presence::Required
    }
}

impl Template {
    /// Reads a template.
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parser = Parser { text, at: 0 };
        let mut segments = Vec::new();
        let mut starts = Vec::new();
        while !parser.rest().is_empty() {
            starts.push(parser.at);
            segments.push(parser.segment()?);
            parser.take("/");
        }
        let template = Self { segments };
        template.check(&parser, &starts)?;
        Ok(template)
    }

    /// The rules that concern more than one segment.
    fn check(&self, parser: &Parser<'_>, starts: &[usize]) -> Result<(), TemplateError> {
        let mut names: Vec<&str> = Vec::new();
        let mut open_end: Option<&str> = None;
        for (segment, &start) in self.segments.iter().zip(starts) {
            if let Some(previous) = open_end
                && segment.is_required()
            {
                let why =
                    format!("'{previous}' is optional or takes the rest, so nothing required may follow it");
                return Err(parser.error_at(start, why));
            }
            for parameter in segment.parameters() {
                if names.iter().any(|name| name.eq_ignore_ascii_case(&parameter.name)) {
                    return Err(
                        parser.error_at(start, format!("there are two parameters '{}'", parameter.name))
                    );
                }
                names.push(&parameter.name);
            }
            match segment {
                Segment::CatchAll(parameter) => open_end = Some(&parameter.name),
                Segment::Parameter(parameter) if !parameter.is_required() => open_end = Some(&parameter.name),
                Segment::Literal(_) | Segment::Parameter(_) | Segment::Mixed(_) => {}
            }
        }
        match self.segments.iter().position(|segment| matches!(segment, Segment::CatchAll(_))) {
            Some(index) if index + 1 < self.segments.len() => {
                let start = starts.get(index).copied().unwrap_or_default();
                Err(parser
                    .error_at(start, "a parameter that takes the rest must be the last segment".to_owned()))
            }
            _ => Ok(()),
        }
    }
}

impl Segment {
    fn is_required(&self) -> bool {
        match self {
            Self::Literal(_) | Self::Mixed(_) => true,
            Self::Parameter(parameter) => parameter.is_required(),
            Self::CatchAll(_) => false,
        }
    }

    fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        let (whole, parts) = match self {
            Self::Literal(_) => (None, &[][..]),
            Self::Parameter(parameter) | Self::CatchAll(parameter) => (Some(parameter), &[][..]),
            Self::Mixed(parts) => (None, parts.as_slice()),
        };
        let mixed = parts.iter().filter_map(|part| match part {
            Part::Parameter(parameter) => Some(parameter),
            Part::Literal(_) => None,
        });
        whole.into_iter().chain(mixed)
    }
}

/// A place in the text of a template.
struct Parser<'t> {
    text: &'t str,
    /// In bytes.
    at: usize,
}

/// Whether a parameter takes one segment or all the rest.
#[derive(PartialEq)]
enum Extent {
    Segment,
    Rest,
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Steps over `token` if it is next.
    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    /// Steps over everything up to one of `ends`, or to the end.
    fn take_until(&mut self, ends: &[char]) -> &'t str {
        let rest = self.rest();
        let taken = rest.find(ends).map_or(rest, |end| rest.split_at(end).0);
        self.at += taken.len();
        taken
    }

    fn error<T>(&self, why: impl Into<String>) -> Result<T, TemplateError> {
        Err(self.error_at(self.at, why.into()))
    }

    fn error_at(&self, at: usize, why: String) -> TemplateError {
        let before = self.text.get(..at).unwrap_or(self.text);
        TemplateError { position: before.chars().count() + 1, why }
    }

    fn segment(&mut self) -> Result<Segment, TemplateError> {
        let start = self.at;
        let mut parts: Vec<(Part, Extent)> = Vec::new();
        while !self.rest().is_empty() && !self.rest().starts_with('/') {
            let part = if self.rest().starts_with('{') && !self.rest().starts_with("{{") {
                if let Some((Part::Parameter(_), _)) = parts.last() {
                    return self.error("two parameters in one segment need a text between them");
                }
                let (parameter, extent) = self.parameter()?;
                (Part::Parameter(parameter), extent)
            } else {
                (Part::Literal(self.literal()?), Extent::Segment)
            };
            parts.push(part);
        }
        if parts.len() > 1 {
            return self.mixed(start, parts);
        }
        match parts.pop() {
            None => self.error("a segment is empty: a route has no '/' at its beginning and no '//'"),
            Some((Part::Literal(text), _)) => Ok(Segment::Literal(text)),
            Some((Part::Parameter(parameter), Extent::Segment)) => Ok(Segment::Parameter(parameter)),
            Some((Part::Parameter(parameter), Extent::Rest)) => Ok(Segment::CatchAll(parameter)),
        }
    }

    fn mixed(&self, start: usize, parts: Vec<(Part, Extent)>) -> Result<Segment, TemplateError> {
        let fits = |(part, extent): &(Part, Extent)| match part {
            Part::Literal(_) => true,
            Part::Parameter(parameter) => parameter.is_required() && *extent == Extent::Segment,
        };
        if !parts.iter().all(fits) {
            let why =
                "a parameter that is optional, has a default or takes the rest must be a segment of its own";
            return Err(self.error_at(start, why.to_owned()));
        }
        Ok(Segment::Mixed(parts.into_iter().map(|(part, _)| part).collect()))
    }

    /// Text up to a parameter or the end of the segment; `{{` and `}}` stand for braces.
    fn literal(&mut self) -> Result<String, TemplateError> {
        let mut literal = String::new();
        loop {
            literal.push_str(self.take_until(&['/', '{', '}', '?']));
            if self.take("{{") {
                literal.push('{');
            } else if self.take("}}") {
                literal.push('}');
            } else {
                return match self.rest().chars().next() {
                    Some('}') => self.error("'}' without '{'; write '}}' for the character itself"),
                    Some('?') => self.error("a route has no '?'; query parameters need no place in it"),
                    _ => Ok(literal),
                };
            }
        }
    }

    fn parameter(&mut self) -> Result<(Parameter, Extent), TemplateError> {
        self.take("{");
        let extent = if self.take("**") || self.take("*") { Extent::Rest } else { Extent::Segment };
        let name = self.take_until(&[':', '=', '?', '}', '{', '/', '*']);
        if name.is_empty() {
            return self.error("a parameter needs a name");
        }
        let mut constraints = Vec::new();
        while self.take(":") {
            constraints.push(self.constraint()?);
        }
        let presence = if self.take("?") {
            Presence::Optional
        } else if self.take("=") {
            Presence::Default(self.take_until(&['}']).to_owned())
        } else if extent == Extent::Rest {
            Presence::Optional
        } else {
            Presence::Required
        };
        if !self.take("}") {
            return self.error(format!("'}}' is missing after parameter '{name}'"));
        }
        Ok((Parameter { name: name.to_owned(), constraints, presence }, extent))
    }

    fn constraint(&mut self) -> Result<Constraint, TemplateError> {
        let start = self.at;
        let name = self.take_until(&['(', ':', '=', '?', '}']);
        let arguments = if self.take("(") { Some(self.arguments()?) } else { None };
        Constraint::parse(name, arguments.as_deref()).map_err(|why| self.error_at(start, why))
    }

    /// Up to the parenthesis that closes: escaped ones and those in a character class do not count, because the
    /// arguments may be a regular expression. `{{` and `}}` stand for braces.
    fn arguments(&mut self) -> Result<String, TemplateError> {
        let mut arguments = String::new();
        let (mut depth, mut in_class) = (0_usize, false);
        let start = self.at;
        while let Some(next) = self.rest().chars().next() {
            self.at += next.len_utf8();
            match next {
                '\\' => {
                    arguments.push(next);
                    if let Some(escaped) = self.rest().chars().next() {
                        self.at += escaped.len_utf8();
                        arguments.push(escaped);
                    }
                    continue;
                }
                '{' | '}' if self.rest().starts_with(next) => self.at += 1,
                '[' => in_class = true,
                ']' => in_class = false,
                '(' if !in_class => depth += 1,
                ')' if !in_class && depth == 0 => return Ok(arguments),
                ')' if !in_class => depth -= 1,
                _ => {}
            }
            arguments.push(next);
        }
        Err(self.error_at(start, "')' is missing after the arguments of a constraint".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_templates_say_where() {
        let table = [
            ("/hello", 1, "a segment is empty"),
            ("a//b", 3, "a segment is empty"),
            ("a/{", 4, "needs a name"),
            ("a/{}", 4, "needs a name"),
            ("a/{id", 6, "'}' is missing"),
            ("a/id}", 5, "'}' without '{'"),
            ("a?b", 2, "no '?'"),
            ("{id:number}", 5, "'number' is not a constraint"),
            ("{id:min(x)}", 5, "'x' is not a whole number"),
            ("{id:regex((}", 11, "')' is missing"),
            ("{a}{b}", 4, "need a text between"),
            ("x{a?}", 1, "a segment of its own"),
            ("x-{*a}", 1, "a segment of its own"),
            ("{a?}/b", 6, "nothing required may follow"),
            ("{a=1}/{b}", 7, "nothing required may follow"),
            ("{*a}/b", 6, "nothing required may follow"),
            ("{*a}/{b?}", 1, "must be the last segment"),
            ("ä/{id}/{ID}", 8, "two parameters 'ID'"),
        ];
        for (text, position, why) in table {
            let error = Template::parse(text).expect_err(text);
            assert_eq!(error.position, position, "{text}: {error}");
            assert!(error.why.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn braces_are_doubled_to_stand_for_themselves() {
        let template = Template::parse("a{{b}}/{id:regex(^[)}}]\\d{{2}}$)}").unwrap();
        let [Segment::Literal(text), Segment::Parameter(parameter)] = template.segments.as_slice() else {
            panic!("{template:?}")
        };
        assert_eq!(text, "a{b}");
        assert!(parameter.accepts(")12") && parameter.accepts("}34") && !parameter.accepts(")123"));
    }
}
