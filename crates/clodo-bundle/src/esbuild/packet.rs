//! The values and packets that esbuild's service speaks: what its own JavaScript library uses.

/// A value on the wire.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(u32),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
}

/// One message: a request or the answer to the request of the same id.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Packet {
    pub(crate) id: u32,
    pub(crate) is_request: bool,
    pub(crate) value: Value,
}

/// Bytes that are no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the packet is malformed")]
pub(crate) struct Malformed;

static NULL: Value = Value::Null;

impl Value {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::List(texts.into_iter().map(Self::text).collect())
    }

    pub(crate) fn map<const N: usize>(entries: [(&str, Self); N]) -> Self {
        Self::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// The entry of a map; `Null` for anything that is not there.
    pub(crate) fn get(&self, key: &str) -> &Self {
        match self {
            Self::Map(entries) => {
                entries.iter().find(|(name, _)| name == key).map_or(&NULL, |(_, value)| value)
            }
            _ => &NULL,
        }
    }

    pub(crate) fn as_text(&self) -> &str {
        if let Self::Text(text) = self { text } else { "" }
    }

    pub(crate) fn as_int(&self) -> Option<u32> {
        if let Self::Int(int) = self { Some(*int) } else { None }
    }

    pub(crate) fn as_list(&self) -> &[Self] {
        if let Self::List(list) = self { list } else { &[] }
    }

    /// Text and bytes alike: older versions send as text what newer ones send as bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
            _ => &[],
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.push(0),
            Self::Bool(flag) => out.extend([1, u8::from(*flag)]),
            Self::Int(int) => {
                out.push(2);
                out.extend(int.to_le_bytes());
            }
            Self::Text(text) => {
                out.push(3);
                write_bytes(out, text.as_bytes());
            }
            Self::Bytes(bytes) => {
                out.push(4);
                write_bytes(out, bytes);
            }
            Self::List(items) => {
                out.push(5);
                out.extend(length(items.len()));
                items.iter().for_each(|item| item.write(out));
            }
            Self::Map(entries) => {
                out.push(6);
                out.extend(length(entries.len()));
                for (key, value) in entries {
                    write_bytes(out, key.as_bytes());
                    value.write(out);
                }
            }
        }
    }
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("nothing that is sent reaches 4 GiB").to_le_bytes()
}

fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(length(bytes.len()));
    out.extend(bytes);
}

impl Packet {
    /// The packet with its length in front, as it goes onto the wire.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![0; 4];
        out.extend((self.id << 1 | u32::from(!self.is_request)).to_le_bytes());
        self.value.write(&mut out);
        let body = length(out.len() - 4);
        out[..4].copy_from_slice(&body);
        out
    }

    /// Reads a packet that comes without its length.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader { rest: bytes, depth: 0 };
        let id = reader.int()?;
        let value = reader.value()?;
        if !reader.rest.is_empty() {
            return Err(Malformed);
        }
        Ok(Self { id: id >> 1, is_request: id & 1 == 0, value })
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    depth: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(Malformed)?;
        self.rest = rest;
        Ok(head)
    }

    fn int(&mut self) -> Result<u32, Malformed> {
        let bytes = self.take(4)?.first_chunk().ok_or(Malformed)?;
        Ok(u32::from_le_bytes(*bytes))
    }

    fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let count = self.int()? as usize;
        self.take(count)
    }

    fn string(&mut self) -> Result<String, Malformed> {
        Ok(String::from_utf8_lossy(self.bytes()?).into_owned())
    }

    fn value(&mut self) -> Result<Value, Malformed> {
        // esbuild nests a few levels; more is not from it.
        self.depth += 1;
        if self.depth > 64 {
            return Err(Malformed);
        }
        let value = match self.take(1)?[0] {
            0 => Value::Null,
            1 => Value::Bool(self.take(1)?[0] != 0),
            2 => Value::Int(self.int()?),
            3 => Value::Text(self.string()?),
            4 => Value::Bytes(self.bytes()?.to_vec()),
            5 => {
                let count = self.int()?;
                Value::List((0..count).map(|_| self.value()).collect::<Result<_, _>>()?)
            }
            6 => {
                let count = self.int()?;
                let entry = |_| Ok((self.string()?, self.value()?));
                Value::Map((0..count).map(entry).collect::<Result<_, Malformed>>()?)
            }
            _ => return Err(Malformed),
        };
        self.depth -= 1;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<u32>().prop_map(Value::Int),
            any::<String>().prop_map(Value::Text),
            any::<Vec<u8>>().prop_map(Value::Bytes),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
                prop::collection::vec((any::<String>(), inner), 0..6).prop_map(Value::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_packet_survives_the_wire(id in 0_u32..1 << 30, is_request in any::<bool>(), value in values()) {
            let packet = Packet { id, is_request, value };
            let wire = packet.encode();
            assert_eq!(wire.len() - 4, u32::from_le_bytes(wire[..4].try_into().unwrap()) as usize);
            assert_eq!(Packet::decode(&wire[4..]), Ok(packet));
        }

        #[test]
        fn noise_is_refused_without_a_panic(bytes in any::<Vec<u8>>()) {
            let _ = Packet::decode(&bytes);
        }
    }

    #[test]
    fn what_is_absent_reads_as_nothing() {
        let value = Value::map([("a", Value::Int(1))]);
        assert_eq!(value.get("a").as_int(), Some(1));
        assert_eq!(value.get("b").get("c").as_text(), "");
        assert!(value.get("b").as_list().is_empty() && value.get("b").as_bytes().is_empty());
    }
}
