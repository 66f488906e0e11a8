//! Field numbers of `onnx.proto` (ONNX 1.23, IR version 13), as far as anybody here reads or writes them.

pub mod model {
    pub const IR_VERSION: u32 = 1;
    pub const PRODUCER_NAME: u32 = 2;
    pub const PRODUCER_VERSION: u32 = 3;
    pub const DOC_STRING: u32 = 6;
    pub const GRAPH: u32 = 7;
    pub const OPSET_IMPORT: u32 = 8;
    pub const METADATA: u32 = 14;
    pub const FUNCTIONS: u32 = 25;
}

/// An entry of a model's metadata.
pub mod entry {
    pub const KEY: u32 = 1;
    pub const VALUE: u32 = 2;
}

pub mod opset {
    pub const DOMAIN: u32 = 1;
    pub const VERSION: u32 = 2;
}

pub mod graph {
    pub const NODE: u32 = 1;
    pub const NAME: u32 = 2;
    pub const INITIALIZER: u32 = 5;
    pub const DOC_STRING: u32 = 10;
    pub const INPUT: u32 = 11;
    pub const OUTPUT: u32 = 12;
    pub const VALUE_INFO: u32 = 13;
    pub const SPARSE_INITIALIZER: u32 = 15;
}

pub mod node {
    pub const INPUT: u32 = 1;
    pub const OUTPUT: u32 = 2;
    pub const NAME: u32 = 3;
    pub const OP_TYPE: u32 = 4;
    pub const ATTRIBUTE: u32 = 5;
    pub const DOMAIN: u32 = 7;
}

pub mod attribute {
    pub const NAME: u32 = 1;
    pub const INT: u32 = 3;
    pub const STRING: u32 = 4;
    pub const TENSOR: u32 = 5;
    pub const GRAPH: u32 = 6;
    pub const FLOATS: u32 = 7;
    pub const INTS: u32 = 8;
    pub const STRINGS: u32 = 9;
    pub const TENSORS: u32 = 10;
    pub const GRAPHS: u32 = 11;
    pub const DOC_STRING: u32 = 13;
    pub const TYPE: u32 = 20;
    /// The name of a function's own attribute, whose value is taken.
    pub const REFERENCE: u32 = 21;
    pub const SPARSE_TENSOR: u32 = 22;
    pub const SPARSE_TENSORS: u32 = 23;

    /// Values of the type, as far as they are written.
    pub mod kind {
        pub const INT: u64 = 2;
        pub const STRING: u64 = 3;
        pub const TENSOR: u64 = 4;
        pub const INTS: u64 = 7;
    }
}

pub mod tensor {
    pub const DIMS: u32 = 1;
    pub const ELEMENT: u32 = 2;
    pub const FLOATS: u32 = 4;
    /// Smaller numbers too.
    pub const INT32S: u32 = 5;
    pub const STRINGS: u32 = 6;
    pub const INT64S: u32 = 7;
    pub const NAME: u32 = 8;
    pub const RAW: u32 = 9;
    pub const DOUBLES: u32 = 10;
    pub const EXTERNAL_DATA: u32 = 13;
    pub const DATA_LOCATION: u32 = 14;
}

pub mod sparse_tensor {
    pub const VALUES: u32 = 1;
    pub const INDICES: u32 = 2;
}

pub mod function {
    pub const NODE: u32 = 7;
    pub const DOMAIN: u32 = 10;
}

pub mod value_info {
    pub const NAME: u32 = 1;
    pub const TYPE: u32 = 2;
    pub const DOC_STRING: u32 = 3;
    /// Of the type: a tensor's.
    pub const TENSOR: u32 = 1;
    /// Of the type: a list's.
    pub const SEQUENCE: u32 = 4;
    /// Of the tensor's type.
    pub const ELEMENT: u32 = 1;
    pub const SHAPE: u32 = 2;
    /// Of the shape.
    pub const DIMENSION: u32 = 1;
    /// Of a dimension.
    pub const SIZE: u32 = 1;
    pub const SYMBOL: u32 = 2;
}

/// Element types of tensors, as far as they are asked for.
pub mod element {
    pub const FLOAT: u64 = 1;
    pub const UINT8: u64 = 2;
    pub const INT8: u64 = 3;
    pub const UINT16: u64 = 4;
    pub const INT16: u64 = 5;
    pub const INT32: u64 = 6;
    pub const INT64: u64 = 7;
    pub const STRING: u64 = 8;
    pub const BOOL: u64 = 9;
    pub const FLOAT16: u64 = 10;
    pub const DOUBLE: u64 = 11;
    pub const UINT32: u64 = 12;
    pub const UINT64: u64 = 13;

    /// Whether there are decimals, which have a NaN.
    pub fn has_nan(element: u64) -> bool {
        [FLOAT, FLOAT16, DOUBLE].contains(&element)
    }

    /// Whether there are whole numbers alone, which have no NaN.
    pub fn is_whole(element: u64) -> bool {
        [BOOL, INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64].contains(&element)
    }

    /// As NumPy has it.
    pub fn name(element: u64) -> &'static str {
        const NAMES: [&str; 17] = [
            "undefined",
            "float32",
            "uint8",
            "int8",
            "uint16",
            "int16",
            "int32",
            "int64",
            "string",
            "bool",
            "float16",
            "float64",
            "uint32",
            "uint64",
            "complex64",
            "complex128",
            "bfloat16",
        ];
        usize::try_from(element).ok().and_then(|element| NAMES.get(element).copied()).unwrap_or("another type")
    }
}
