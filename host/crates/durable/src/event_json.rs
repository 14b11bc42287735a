//! History events in JSON: one object each, the event's type beside its fields.
//!
//! What is derived on the type has the variant around the fields, which is what is stored. JSON is for people and their
//! tools, who select by `eventType`.

use crate::HistoryEvent;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use serde_json::{Map, Value};

/// The name of the event's type.
const EVENT_TYPE: &str = "eventType";

impl Serialize for HistoryEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return Self::serialize(self, serializer);
        }
        let value = Self::serialize(self, serde_json::value::Serializer).map_err(S::Error::custom)?;
        let (name, mut fields) = match value {
            Value::String(name) => (name, Map::new()),
            value => named_fields(value).ok_or_else(|| S::Error::custom("an event is a name with fields"))?,
        };
        fields.insert(EVENT_TYPE.to_owned(), name.into());
        fields.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for HistoryEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return Self::deserialize(deserializer);
        }
        let mut fields = Map::deserialize(deserializer)?;
        let Some(Value::String(name)) = fields.remove(EVENT_TYPE) else {
            return Err(D::Error::missing_field(EVENT_TYPE));
        };
        // Only a variant without fields is a bare name.
        let bare = Self::deserialize(Value::String(name.clone()));
        bare.or_else(|_| Self::deserialize(Value::Object(Map::from_iter([(name, fields.into())]))))
            .map_err(D::Error::custom)
    }
}

/// The only member of an object, whose value is an object.
fn named_fields(value: Value) -> Option<(String, Map<String, Value>)> {
    let Value::Object(variant) = value else { return None };
    match variant.into_iter().next() {
        Some((name, Value::Object(fields))) => Some((name, fields)),
        _ => None,
    }
}
