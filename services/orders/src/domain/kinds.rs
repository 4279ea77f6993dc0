//! The closed lists of the contract, as the domain keeps and stores them.

/// Declares an enum that mirrors one of the contract, without its UNSPECIFIED; stored by its name.
macro_rules! mirror {
    ($(#[$meta:meta])* $name:ident = $proto:ident { $($(#[$about:meta])* $variant:ident $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize, ::serde::Deserialize)]
        pub enum $name {
            $($(#[$about])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name, as stored and shown.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// For the wire.
            #[must_use]
            pub const fn to_proto(self) -> ::omnimesh_proto::orders::v1::$proto {
                match self { $(Self::$variant => ::omnimesh_proto::orders::v1::$proto::$variant),+ }
            }

            /// From the wire; `None` for UNSPECIFIED.
            #[must_use]
            pub const fn from_proto(proto: ::omnimesh_proto::orders::v1::$proto) -> Option<Self> {
                match proto {
                    $(::omnimesh_proto::orders::v1::$proto::$variant => Some(Self::$variant),)+
                    ::omnimesh_proto::orders::v1::$proto::Unspecified => None,
                }
            }

            /// From the wire's number; `None` for UNSPECIFIED and for numbers of a later version.
            #[must_use]
            pub fn from_number(number: i32) -> Option<Self> {
                ::omnimesh_proto::orders::v1::$proto::try_from(number).ok().and_then(Self::from_proto)
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(super) use mirror;

mirror!(
    /// What a document is.
    DocumentKind = DocumentKind {
        /// A sale.
        Sale "SALE",
        /// A return or credit note of another system.
        Return "RETURN",
        /// An adjustment of accounts.
        Adjustment "ADJUSTMENT",
    }
);

mirror!(
    /// How an imported document counts.
    ImportMode = ImportMode {
        /// A record of the past: it moves nothing.
        Historical "HISTORICAL",
        /// An order to fulfil.
        Live "LIVE",
    }
);

mirror!(
    /// What a line is.
    LineKind = LineKind {
        /// Sold.
        Sale "SALE",
        /// Given back.
        Return "RETURN",
        /// An amount of money only.
        Adjustment "ADJUSTMENT",
        /// Goods written off.
        WriteOff "WRITE_OFF",
        /// A correction of an earlier line.
        Correction "CORRECTION",
        /// Given away.
        Gift "GIFT",
    }
);

mirror!(
    /// How a group reaches the customer.
    FulfillmentMethod = FulfillmentMethod {
        /// Shipped.
        Ship "SHIP",
        /// Picked up in a store.
        Pickup "PICKUP",
    }
);

mirror!(
    /// How the customer pays.
    PaymentMethod = PaymentMethod {
        /// Through a provider, before fulfilment.
        Online "ONLINE",
        /// In the store, at pickup.
        InStore "IN_STORE",
    }
);
