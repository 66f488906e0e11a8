//! One model call: rows in the caller's buffer in, answers in ours out, nothing copied between.
//!
//! ONNX Runtime is called through its C interface, because `ort`'s safe calls box the input, collect names and look
//! outputs up by name each time. Here the values that wrap a buffer are made once per batch size and used again, and
//! the answer is written into memory that was set aside at start.
#![allow(unsafe_code, reason = "calls into ONNX Runtime's C interface; each block says why it holds")]

use std::ffi::{CStr, CString, c_char};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use ort::AsPointer;
use ort::sys::{
    ONNXTensorElementDataType as ElementType, OrtAllocatorType, OrtMemType, OrtMemoryInfo, OrtStatusPtr, OrtValue,
};

use crate::model::trees::Loaded;

/// Owns an `OrtValue`. It may point at memory it does not own.
struct Value(NonNull<OrtValue>);

impl Drop for Value {
    fn drop(&mut self) {
        // SAFETY: owned, and released once.
        unsafe { (ort::api().ReleaseValue)(self.0.as_ptr()) }
    }
}

/// The name of main memory, as values over our buffers need it.
struct MainMemory(NonNull<OrtMemoryInfo>);

impl Drop for MainMemory {
    fn drop(&mut self) {
        // SAFETY: owned, and released once.
        unsafe { (ort::api().ReleaseMemoryInfo)(self.0.as_ptr()) }
    }
}

fn check(status: OrtStatusPtr) -> Result<(), ort::Error> {
    // SAFETY: the status comes straight from a call and is consumed here.
    unsafe { ort::Error::result_from_status(status) }
}

fn not_null<T>(pointer: *mut T) -> Result<NonNull<T>, ort::Error> {
    NonNull::new(pointer).ok_or_else(|| ort::Error::new("ONNX Runtime gave nothing where it promised a value"))
}

impl MainMemory {
    fn new() -> Result<MainMemory, ort::Error> {
        let mut info = ptr::null_mut();
        let (allocator, kind) = (OrtAllocatorType::OrtDeviceAllocator, OrtMemType::OrtMemTypeDefault);
        // SAFETY: `info` is a place for the result.
        check(unsafe { (ort::api().CreateCpuMemoryInfo)(allocator, kind, &mut info) })?;
        Ok(MainMemory(not_null(info)?))
    }

    /// A value over `bytes` bytes at `data`.
    ///
    /// # Safety
    /// Whenever the value takes part in a run, `data` points at that many live bytes of that type; they are written
    /// if it is an output, and nobody else has them borrowed then.
    unsafe fn wrap(
        &self,
        data: *mut u8,
        bytes: usize,
        shape: &[i64],
        element: ElementType,
    ) -> Result<Value, ort::Error> {
        let mut value = ptr::null_mut();
        // SAFETY: the shape is copied by the call; `data` is only stored by it.
        check(unsafe {
            (ort::api().CreateTensorWithDataAsOrtValue)(
                self.0.as_ptr(),
                data.cast(),
                bytes,
                shape.as_ptr(),
                shape.len(),
                element,
                &mut value,
            )
        })?;
        Ok(Value(not_null(value)?))
    }
}

/// A tensor that ONNX Runtime made, looked at.
struct Tensor<'a> {
    element: ElementType,
    shape: &'a [i64],
    data: *const u8,
    len: usize,
}

impl Value {
    fn tensor(&self) -> Result<Tensor<'_>, ort::Error> {
        let mut element = ElementType::ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
        let (mut dims, mut rank) = (ptr::null(), 0);
        let mut data = ptr::null_mut();
        let api = ort::api();
        // SAFETY: the value is live; the shape and the data it points at live as long as it does.
        let shape = unsafe {
            check((api.GetTensorElementTypeAndShapeDataReference)(
                self.0.as_ptr(),
                &mut element,
                &mut dims,
                &mut rank,
            ))?;
            check((api.GetTensorMutableData)(self.0.as_ptr(), &mut data))?;
            // A scalar has no dimensions, and then the pointer may be null.
            if rank == 0 { &[][..] } else { std::slice::from_raw_parts(dims, rank) }
        };
        let len = usize::try_from(shape.iter().product::<i64>()).map_err(ort::Error::wrap)?;
        if len > 0 && data.is_null() {
            return Err(ort::Error::new("the answer has a shape and no data"));
        }
        Ok(Tensor { element, shape, data: data.cast(), len })
    }
}

impl Tensor<'_> {
    /// Copies all elements to the start of `answers`, which must be of the same type and have room.
    fn copy_into(&self, answers: &mut Answers) -> Result<(), ort::Error> {
        let room = answers.len();
        let (target, size, element) = answers.parts();
        if self.len > room || self.element != element {
            return Err(ort::Error::new("the answer does not fit the memory set aside for it"));
        }
        // SAFETY: both sides hold at least `len` elements of the same type, and are apart: one is ours.
        unsafe { ptr::copy_nonoverlapping(self.data, target, self.len * size) };
        Ok(())
    }
}

/// The answers of the last call, row after row.
#[derive(Clone, Debug, PartialEq)]
pub enum Answers {
    Single(Vec<f32>),
    Double(Vec<f64>),
}

impl Answers {
    /// Room for `len` answers of the type.
    pub fn with_len(double: bool, len: usize) -> Answers {
        if double { Answers::Double(vec![0.0; len]) } else { Answers::Single(vec![0.0; len]) }
    }

    /// Makes every answer a NaN: one that a call leaves unwritten then shows, where it would be an earlier row's.
    pub fn blank(&mut self) {
        match self {
            Answers::Single(values) => values.fill(f32::NAN),
            Answers::Double(values) => values.fill(f64::NAN),
        }
    }

    fn len(&self) -> usize {
        match self {
            Answers::Single(values) => values.len(),
            Answers::Double(values) => values.len(),
        }
    }

    fn parts(&mut self) -> (*mut u8, usize, ElementType) {
        match self {
            Answers::Single(values) => {
                (values.as_mut_ptr().cast(), size_of::<f32>(), ElementType::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT)
            }
            Answers::Double(values) => {
                (values.as_mut_ptr().cast(), size_of::<f64>(), ElementType::ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE)
            }
        }
    }
}

/// What a call answered when nothing was set aside for it.
#[derive(Clone, Debug, PartialEq)]
pub struct FreeAnswer {
    pub shape: Vec<i64>,
    pub answers: Answers,
}

/// The value over the caller's buffer, and where that buffer was.
struct BoundInput {
    data: *const f32,
    value: Value,
}

/// A session with names and buffers of one's own. Several may share the session.
pub struct Runner {
    // Fields drop in this order: the values before the session they were made for.
    inputs: Vec<Option<BoundInput>>,
    outputs: Vec<Option<Value>>,
    answers: Answers,
    memory: MainMemory,
    loaded: Arc<Loaded>,
    input_name: CString,
    output_name: CString,
    width: usize,
    in_place: bool,
}

// SAFETY: the pointers are values of ONNX Runtime's that any thread may use as long as one does at a time (`run` takes
// `&mut self`), and remembered addresses that are compared and never followed by us. The session may be used by any
// number of threads, and so may the operators in its graph.
unsafe impl Send for Runner {}

impl Runner {
    /// `rows_max`: the largest batch that will be run.
    pub fn new(
        loaded: Arc<Loaded>,
        input: &str,
        output: &str,
        width: usize,
        rows_max: usize,
    ) -> Result<Runner, ort::Error> {
        let name = |text: &str| CString::new(text).map_err(ort::Error::wrap);
        Ok(Runner {
            inputs: (0..=rows_max).map(|_| None).collect(),
            outputs: (0..=rows_max).map(|_| None).collect(),
            answers: Answers::Single(Vec::new()),
            memory: MainMemory::new()?,
            loaded,
            input_name: name(input)?,
            output_name: name(output)?,
            width,
            in_place: true,
        })
    }

    /// Sets memory aside for the answers of up to `rows_max` rows.
    pub fn set_answers(&mut self, answers: Answers) {
        self.outputs.iter_mut().for_each(|output| *output = None);
        self.answers = answers;
    }

    pub fn answers(&self) -> &Answers {
        &self.answers
    }

    /// [`Answers::blank`], before a call that is to be checked.
    pub fn blank_answers(&mut self) {
        self.answers.blank();
    }

    fn call(&mut self, input: *const OrtValue, output: *mut OrtValue) -> Result<*mut OrtValue, ort::Error> {
        let mut output = output;
        // SAFETY: names are C strings of ours; input and output are live values (the callers' part), or a null output
        // for ONNX Runtime to fill in. `&mut self` keeps the values to one run at a time; the session takes several.
        check(unsafe {
            (ort::api().Run)(
                self.loaded.session().ptr().cast_mut(),
                ptr::null(),
                &self.input_name.as_ptr(),
                &input,
                1,
                &self.output_name.as_ptr(),
                1,
                &mut output,
            )
        })?;
        Ok(output)
    }

    /// Runs `rows` (`[n, width]`, n at most `rows_max`) and leaves the answer, of shape `shape`, in
    /// [`Runner::answers`]. Fails when the model answers in another shape. Allocates nothing of ours once each batch
    /// size has been seen at the buffer's address.
    pub fn run(&mut self, rows: &[f32], shape: &[i64]) -> Result<(), ort::Error> {
        let count = rows.len() / self.width;
        debug_assert_eq!(count * self.width, rows.len());
        let input = self.bind_input(rows, count)?;
        if self.in_place {
            let output = self.bind_output(shape, count)?;
            return self.call(input, output).map(drop);
        }
        let value = Value(not_null(self.call(input, ptr::null_mut())?)?);
        let answer = value.tensor()?;
        if answer.shape != shape {
            return Err(ort::Error::new(format!("the answer has the shape {:?}, not {shape:?}", answer.shape)));
        }
        answer.copy_into(&mut self.answers)
    }

    /// Whether answers are written straight into memory of ours. A model whose declared output shape is wrong refuses
    /// that; then they are copied.
    pub fn set_in_place(&mut self, in_place: bool) {
        self.in_place = in_place;
    }

    fn bind_input(&mut self, rows: &[f32], count: usize) -> Result<*const OrtValue, ort::Error> {
        let slot = &mut self.inputs[count];
        if let Some(bound) = slot
            && bound.data == rows.as_ptr()
        {
            return Ok(bound.value.0.as_ptr());
        }
        let shape = [count as i64, self.width as i64];
        let element = ElementType::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
        // SAFETY: the value takes part in a run only while the caller lends a slice that starts at the same address
        // and has the same length (checked above at each use), so the memory is live then. ONNX Runtime never writes
        // to an input.
        let value = unsafe { self.memory.wrap(rows.as_ptr().cast_mut().cast(), size_of_val(rows), &shape, element)? };
        Ok(slot.insert(BoundInput { data: rows.as_ptr(), value }).value.0.as_ptr())
    }

    fn bind_output(&mut self, shape: &[i64], count: usize) -> Result<*mut OrtValue, ort::Error> {
        let slot = &mut self.outputs[count];
        if let Some(value) = slot {
            return Ok(value.0.as_ptr());
        }
        let len: i64 = shape.iter().product();
        let room = self.answers.len();
        let (data, size, element) = self.answers.parts();
        let len = usize::try_from(len).ok().filter(|len| *len <= room);
        let len = len.ok_or_else(|| ort::Error::new("the answer does not fit the memory set aside for it"))?;
        // SAFETY: the vector is ours, never grows, and is replaced only together with the values (`set_answers`); it
        // is read only between runs.
        let value = unsafe { self.memory.wrap(data, len * size, shape, element)? };
        Ok(slot.insert(value).0.as_ptr())
    }

    /// Makes the values of answers for all batches of at least two and at most `rows_max` rows. `shape`: of several, whose
    /// number stands at `rows_axis`.
    pub fn bind_outputs(&mut self, shape: &[i64], rows_axis: usize, rows_max: usize) -> Result<(), ort::Error> {
        let mut shape = shape.to_vec();
        for count in 2..=if self.in_place { rows_max } else { 0 } {
            let Some(rows) = shape.get_mut(rows_axis) else { return Ok(()) };
            *rows = count as i64;
            self.bind_output(&shape, count)?;
        }
        Ok(())
    }

    /// Runs `rows` and returns whatever came: for learning the shape that a model really answers in.
    pub fn run_free(&mut self, rows: &[f32]) -> Result<FreeAnswer, ort::Error> {
        let count = rows.len() / self.width;
        let input = self.bind_input(rows, count)?;
        let value = Value(not_null(self.call(input, ptr::null_mut())?)?);
        let answer = value.tensor()?;
        let double = match answer.element {
            ElementType::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT => false,
            ElementType::ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE => true,
            other => return Err(ort::Error::new(format!("the answer's elements are {other:?}, not floats"))),
        };
        let mut answers = Answers::with_len(double, answer.len);
        answer.copy_into(&mut answers)?;
        Ok(FreeAnswer { shape: answer.shape.to_vec(), answers })
    }

    /// Nodes of the optimised graph by the provider that runs them. Needs a session that was told to keep record.
    pub fn nodes_by_provider(&self) -> Result<Vec<(String, usize)>, ort::Error> {
        let (mut parts, mut count) = (ptr::null(), 0);
        let api = ort::api();
        // SAFETY: the session is live, and so is everything these calls return, as long as it is.
        unsafe {
            check((api.Session_GetEpGraphAssignmentInfo)(self.loaded.session().ptr(), &mut parts, &mut count))?;
            let parts = if count == 0 { &[] } else { std::slice::from_raw_parts(parts, count) };
            let mut found = Vec::with_capacity(parts.len());
            for part in parts {
                let mut name: *const c_char = ptr::null();
                let (mut nodes, mut nodes_count) = (ptr::null(), 0);
                check((api.EpAssignedSubgraph_GetEpName)(*part, &mut name))?;
                check((api.EpAssignedSubgraph_GetNodes)(*part, &mut nodes, &mut nodes_count))?;
                if !name.is_null() {
                    found.push((CStr::from_ptr(name).to_string_lossy().into_owned(), nodes_count));
                }
            }
            Ok(found)
        }
    }
}
