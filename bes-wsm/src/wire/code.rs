//! Code tables: enumerations whose wire codes stand beside their names.
//!
//! Two kinds. `open_enum!` is for what the chip says: a code that nobody knows survives as `Unknown`, so no trace
//! loses it. `closed_enum!` is for what the host says: the type cannot hold a code that the protocol lacks.

/// An enumeration that keeps unknown codes: `Variant = code => "text"`.
macro_rules! open_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident: $raw:ty {
            $($(#[$variant_meta:meta])* $variant:ident = $code:literal => $text:literal,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
            /// A code that the specification does not define.
            Unknown($raw),
        }

        impl $name {
            /// From the code on the wire.
            pub const fn from_raw(raw: $raw) -> Self {
                match raw {
                    $($code => Self::$variant,)+
                    other => Self::Unknown(other),
                }
            }

            /// The code on the wire.
            pub const fn raw(self) -> $raw {
                match self {
                    $(Self::$variant => $code,)+
                    Self::Unknown(raw) => raw,
                }
            }
        }

        impl ::core::fmt::Display for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self {
                    $(Self::$variant => f.write_str($text),)+
                    Self::Unknown(raw) => write!(f, "unknown({raw})"),
                }
            }
        }
    };
}

/// An enumeration without unknown codes: `Variant = code => "text"`. Reading another code is an error.
macro_rules! closed_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident: $raw:ty {
            $($(#[$variant_meta:meta])* $variant:ident = $code:literal => $text:literal,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
        }

        impl $name {
            /// From the code on the wire.
            ///
            /// # Errors
            ///
            /// [`WireError::Value`](crate::wire::WireError::Value) for a code that the specification does not define.
            pub const fn from_raw(raw: $raw) -> Result<Self, $crate::wire::WireError> {
                match raw {
                    $($code => Ok(Self::$variant),)+
                    _ => Err($crate::wire::WireError::Value),
                }
            }

            /// The code on the wire.
            pub const fn raw(self) -> $raw {
                match self {
                    $(Self::$variant => $code,)+
                }
            }
        }

        impl ::core::fmt::Display for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.write_str(match self {
                    $(Self::$variant => $text,)+
                })
            }
        }
    };
}

pub(crate) use {closed_enum, open_enum};
