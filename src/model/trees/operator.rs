//! The custom operator that takes a tree node's place in ONNX Runtime's graph, with the node's inputs and outputs.
//!
//! ONNX Runtime lets several threads run one session, and lanes do: a call only reads the operator, and what it writes
//! belongs to its thread. `ort`'s own operators are called with exclusive access to their kernel, which no session that
//! is shared can promise; so this one is given to ONNX Runtime through its C interface.
#![allow(
    unsafe_code,
    reason = "an operator and its tensors through ONNX Runtime's C interface; each block says why it holds"
)]

use std::cell::RefCell;
use std::ffi::{CString, c_char, c_void};
use std::fmt;
use std::ptr;
use std::sync::Arc;

use ort::AsPointer;
use ort::operator::OperatorDomain;
use ort::session::Session as OrtSession;
use ort::session::builder::SessionBuilder;
use ort::sys::{
    ONNXTensorElementDataType as ElementType, OrtApi, OrtCustomOp,
    OrtCustomOpInputOutputCharacteristic as Characteristic, OrtErrorCode, OrtKernelContext, OrtKernelInfo, OrtMemType,
    OrtStatusPtr,
};

use crate::model::trees::finish::Finish;
use crate::model::trees::forest::{Choice, Forest};
use crate::model::trees::kernel::Scratch;

/// The operators' domain. Packages cannot name it: it is not among those they may use.
pub const DOMAIN: &str = "scorewire.trees";

/// One node's operator.
#[repr(C)]
pub struct TreeOperator {
    /// What ONNX Runtime knows of it. Stands first: a pointer to it is one to the whole.
    interface: OrtCustomOp,
    name: CString,
    /// By sum.
    pub forests: Arc<[Forest]>,
    pub finish: Finish,
}

impl fmt::Debug for TreeOperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TreeOperator { name, finish, .. } = self;
        write!(f, "TreeOperator({name:?}, {} trees, {finish:?})", self.forests[0].trees())
    }
}

impl TreeOperator {
    /// `index`: of the node in its graph, for the operator's name.
    pub fn new(index: usize, forests: Vec<Forest>, finish: Finish) -> Arc<TreeOperator> {
        // Digits and letters hold no NUL.
        let name = CString::new(format!("Trees{index}")).unwrap_or_default();
        Arc::new(TreeOperator { interface: INTERFACE, name, forests: forests.into(), finish })
    }

    /// The same, with other kernels.
    pub fn with(&self, choice: &Choice) -> Arc<TreeOperator> {
        let forests = self.forests.iter().map(|forest| forest.chosen(choice)).collect();
        Arc::new(TreeOperator { interface: INTERFACE, name: self.name.clone(), forests, finish: self.finish })
    }

    pub fn name(&self) -> &str {
        self.name.to_str().unwrap_or_default()
    }

    /// To be asked without a graph.
    pub fn kernel(&self) -> TreeKernel {
        TreeKernel::new(self.forests.clone(), self.finish)
    }

    fn compute(&self, context: *mut OrtKernelContext) -> ort::Result<()> {
        let (rows, width) = input(context)?;
        let needed = self.forests[0].features();
        if width < needed {
            return Err(ort::Error::new(format!("the trees need {needed} features, the rows have {width}")));
        }
        let count = rows.len() / width;
        let (forests, finish) = (&self.forests[..], self.finish);
        CALL.with_borrow_mut(|call| {
            call.forget();
            let columns = finish.columns();
            let labels = columns - 1;
            if labels > 0 {
                let labels = output::<i64>(context, 0, &[count as i64])?;
                let sums = call.sums_for(1, forests, finish, rows, count);
                labels.iter_mut().zip(sums).for_each(|(label, sum)| *label = finish.label(*sum));
            }
            let scores = output::<f32>(context, labels, &[count as i64, columns as i64])?;
            // Backwards: the last column's sums are there.
            for column in (0..columns).rev() {
                let sums = call.sums_for(column, forests, finish, rows, count);
                for (scores, sum) in scores.chunks_exact_mut(columns).zip(sums) {
                    scores[column] = finish.score(*sum, column);
                }
            }
            Ok(())
        })
    }
}

thread_local! {
    /// Of the calls that ONNX Runtime makes on this thread, for all operators: one call runs at a time.
    static CALL: RefCell<Call> = RefCell::default();
}

/// What calls write beside their answers. Grows to the largest batch and forest.
#[derive(Default)]
struct Call {
    sums: Vec<f32>,
    /// Which of the finish's sums these are.
    known: Option<usize>,
    scratch: Scratch,
}

impl Call {
    /// Other rows come.
    fn forget(&mut self) {
        self.known = None;
    }

    /// The sums that a column of the scores comes of; those that were asked for last are there.
    fn sums_for(&mut self, column: usize, forests: &[Forest], finish: Finish, rows: &[f32], count: usize) -> &[f32] {
        let sum = finish.sum_of(column);
        if self.known.replace(sum) != Some(sum) {
            self.sums.resize(count, 0.0);
            let width = rows.len().checked_div(count).unwrap_or(0);
            forests[sum].sums(rows, width, &mut self.sums, &mut self.scratch);
        }
        &self.sums
    }
}

/// An operator's answers without a graph, for one lane.
pub struct TreeKernel {
    forests: Arc<[Forest]>,
    finish: Finish,
    call: Call,
}

impl TreeKernel {
    pub fn new(forests: Arc<[Forest]>, finish: Finish) -> TreeKernel {
        TreeKernel { forests, finish, call: Call::default() }
    }

    /// What the operator answers in one column of its scores, for the first `scores.len()` of `rows`. Each has `width`
    /// values, at least as many as the forest has features.
    pub fn score(&mut self, rows: &[f32], width: usize, column: usize, scores: &mut [f64]) {
        self.forget();
        self.score_again(rows, width, column, scores);
    }

    /// [`TreeKernel::score`] of the rows of the calls since [`TreeKernel::forget`]: sums that were asked for last are there.
    pub fn score_again(&mut self, rows: &[f32], width: usize, column: usize, scores: &mut [f64]) {
        let rows = &rows[..scores.len() * width];
        let sums = self.call.sums_for(column, &self.forests, self.finish, rows, scores.len());
        for (score, sum) in scores.iter_mut().zip(sums) {
            *score = f64::from(self.finish.score(*sum, column));
        }
    }

    /// Other rows come.
    pub fn forget(&mut self) {
        self.call.forget();
    }
}

/// A session, and the operators in its graph.
pub struct Loaded {
    // Dropped in this order: ONNX Runtime asks the operators as long as the session is there.
    session: OrtSession,
    _operators: Vec<Arc<TreeOperator>>,
}

impl Loaded {
    /// # Errors
    /// What ONNX Runtime says about the model.
    pub fn open(builder: SessionBuilder, operators: Vec<Arc<TreeOperator>>, model: &[u8]) -> ort::Result<Loaded> {
        let mut builder = builder;
        if !operators.is_empty() {
            let domain = OperatorDomain::new(DOMAIN)?;
            for operator in &operators {
                let interface = Arc::as_ptr(operator).cast::<OrtCustomOp>().cast_mut();
                // SAFETY: the domain is live, and the interface outlives it and its session: `Loaded` holds both. ONNX
                // Runtime only reads it.
                check(unsafe { (ort::api().CustomOpDomain_Add)(domain.ptr().cast_mut(), interface) })?;
            }
            builder = builder.with_operators(domain)?;
        }
        Ok(Loaded { session: builder.commit_from_memory(model)?, _operators: operators })
    }

    pub fn session(&self) -> &OrtSession {
        &self.session
    }

    pub fn session_mut(&mut self) -> &mut OrtSession {
        &mut self.session
    }
}

/// What is `None` has a default in ONNX Runtime: a version, a shape, inputs of varying number.
const INTERFACE: OrtCustomOp = OrtCustomOp {
    version: ort::sys::ORT_API_VERSION,
    CreateKernel: None,
    GetName: Some(name_of),
    GetExecutionProviderType: Some(provider_of),
    GetInputType: Some(input_type),
    GetInputTypeCount: Some(inputs),
    GetOutputType: Some(output_type),
    GetOutputTypeCount: Some(outputs),
    KernelCompute: None,
    KernelDestroy: Some(destroy),
    GetInputCharacteristic: Some(required),
    GetOutputCharacteristic: Some(required),
    GetInputMemoryType: Some(main_memory),
    GetVariadicInputMinArity: None,
    GetVariadicInputHomogeneity: None,
    GetVariadicOutputMinArity: None,
    GetVariadicOutputHomogeneity: None,
    CreateKernelV2: Some(create),
    KernelComputeV2: Some(compute),
    InferOutputShapeFn: None,
    GetStartVersion: None,
    GetEndVersion: None,
    GetMayInplace: None,
    ReleaseMayInplace: None,
    GetAliasMap: None,
    ReleaseAliasMap: None,
};

/// The operator that ONNX Runtime was given.
///
/// # Safety
/// `interface` is that of a live [`TreeOperator`].
unsafe fn operator<'a>(interface: *const OrtCustomOp) -> &'a TreeOperator {
    // SAFETY: the interface stands first in the operator, of which nobody has a reference to write.
    unsafe { &*interface.cast::<TreeOperator>() }
}

unsafe extern "system" fn name_of(interface: *const OrtCustomOp) -> *const c_char {
    // SAFETY: called with what was registered.
    unsafe { operator(interface) }.name.as_ptr()
}

/// None named: the CPU's.
unsafe extern "system" fn provider_of(_: *const OrtCustomOp) -> *const c_char {
    ptr::null()
}

unsafe extern "system" fn input_type(_: *const OrtCustomOp, _: usize) -> ElementType {
    ElementType::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT
}

unsafe extern "system" fn inputs(_: *const OrtCustomOp) -> usize {
    1
}

/// Labels, where there are some, and scores.
unsafe extern "system" fn output_type(interface: *const OrtCustomOp, index: usize) -> ElementType {
    // SAFETY: called with what was registered.
    match unsafe { operator(interface) }.finish {
        Finish::Binary { .. } | Finish::Pair { .. } if index == 0 => ElementType::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64,
        _ => ElementType::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
    }
}

unsafe extern "system" fn outputs(interface: *const OrtCustomOp) -> usize {
    // SAFETY: called with what was registered.
    match unsafe { operator(interface) }.finish {
        Finish::Sum { .. } => 1,
        Finish::Binary { .. } | Finish::Pair { .. } => 2,
    }
}

unsafe extern "system" fn required(_: *const OrtCustomOp, _: usize) -> Characteristic {
    Characteristic::INPUT_OUTPUT_REQUIRED
}

unsafe extern "system" fn main_memory(_: *const OrtCustomOp, _: usize) -> OrtMemType {
    OrtMemType::OrtMemTypeDefault
}

/// A kernel has nothing of its own: it is the operator.
unsafe extern "system" fn create(
    interface: *const OrtCustomOp,
    _: *const OrtApi,
    _: *const OrtKernelInfo,
    kernel: *mut *mut c_void,
) -> OrtStatusPtr {
    // SAFETY: a place for the result.
    unsafe { *kernel = interface.cast_mut().cast() };
    OrtStatusPtr(ptr::null_mut())
}

unsafe extern "system" fn destroy(_: *mut c_void) {}

unsafe extern "system" fn compute(kernel: *mut c_void, context: *mut OrtKernelContext) -> OrtStatusPtr {
    // SAFETY: the kernel that `create` gave, whose operator `Loaded` keeps. Only read, whatever other threads do.
    match unsafe { operator(kernel.cast()) }.compute(context) {
        Ok(()) => OrtStatusPtr(ptr::null_mut()),
        Err(error) => {
            let message = CString::new(error.to_string()).unwrap_or_default();
            // SAFETY: the message is copied.
            unsafe { (ort::api().CreateStatus)(OrtErrorCode::ORT_FAIL, message.as_ptr()) }
        }
    }
}

fn check(status: OrtStatusPtr) -> ort::Result<()> {
    // SAFETY: the status comes straight from a call and is consumed here.
    unsafe { ort::Error::result_from_status(status) }
}

/// The rows, and how many values each has.
fn input<'a>(context: *mut OrtKernelContext) -> ort::Result<(&'a [f32], usize)> {
    let api = ort::api();
    let (mut value, mut data) = (ptr::null(), ptr::null());
    let mut element = ElementType::ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    let (mut dims, mut rank) = (ptr::null(), 0);
    // SAFETY: the context is live during `compute`, and with it the input, its shape and its data; the operator
    // declares the input as required and of `float`, which ONNX Runtime checked when it opened the graph.
    let (dims, data) = unsafe {
        check((api.KernelContext_GetInput)(context, 0, &mut value))?;
        check((api.GetTensorElementTypeAndShapeDataReference)(value, &mut element, &mut dims, &mut rank))?;
        check((api.GetTensorData)(value, &mut data))?;
        (if rank == 0 { &[][..] } else { std::slice::from_raw_parts(dims, rank) }, data.cast::<f32>())
    };
    let &[rows, width] = dims else {
        return Err(ort::Error::new(format!("the trees' input has {rank} dimensions, not two")));
    };
    let (rows, width) = (usize::try_from(rows), usize::try_from(width));
    let (Ok(rows), Ok(width @ 1..)) = (rows, width) else {
        return Err(ort::Error::new("the trees' input has a dimension that is not positive"));
    };
    if rows == 0 {
        return Ok((&[], width));
    }
    // SAFETY: a tensor's data holds the product of its dimensions; nobody writes to an input during the call.
    Ok((unsafe { std::slice::from_raw_parts(data, rows * width) }, width))
}

/// An output's memory. `T` is the type that the operator declares for it; each output is asked for once in a call.
fn output<'a, T>(context: *mut OrtKernelContext, index: usize, shape: &[i64]) -> ort::Result<&'a mut [T]> {
    let api = ort::api();
    let (mut value, mut data) = (ptr::null_mut(), ptr::null_mut());
    let len = usize::try_from(shape.iter().product::<i64>()).map_err(ort::Error::wrap)?;
    // SAFETY: the context is live during `compute`; the output is allocated by this call, of the declared type and
    // this shape, and nobody else holds it before `compute` returns.
    unsafe {
        check((api.KernelContext_GetOutput)(context, index, shape.as_ptr(), shape.len(), &mut value))?;
        check((api.GetTensorMutableData)(value, &mut data))?;
        match len {
            0 => Ok(&mut []),
            _ => Ok(std::slice::from_raw_parts_mut(data.cast(), len)),
        }
    }
}
