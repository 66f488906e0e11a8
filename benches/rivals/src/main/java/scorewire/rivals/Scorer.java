package scorewire.rivals;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtLoggingLevel;
import ai.onnxruntime.OrtSession;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Map;
import java.util.Set;

/**
 * One ONNX Runtime session for one thread. Rows and answers live in direct buffers that the tensors point at, and
 * there is one pair of tensors for each number of rows, made once: a call copies nothing and leaves no garbage to speak
 * of.
 */
final class Scorer implements AutoCloseable {
    private final OrtEnvironment environment;
    private final OrtSession session;
    private final String input;
    private final String output;
    private final int width;
    private final int columns;
    private final int column;
    private final FloatBuffer rows;
    private final FloatBuffer answers;
    /** By the number of rows. */
    private final Map<String, OnnxTensor>[] inputs;
    private final Map<String, OnnxTensor>[] outputs;

    Scorer(Contract contract, int rowsMax) throws OrtException {
        environment = OrtEnvironment.getEnvironment(OrtLoggingLevel.ORT_LOGGING_LEVEL_WARNING, "rival");
        environment.setTelemetry(false);
        session = environment.createSession(contract.model(), options());
        input = contract.inputTensor() == null ? session.getInputNames().iterator().next() : contract.inputTensor();
        output = contract.outputTensor();
        width = contract.features().size();
        rows = floats(rowsMax * width);
        inputs = perSize(rowsMax);
        outputs = perSize(rowsMax);
        columns = learnColumns();
        column = contract.column();
        if (column >= columns) {
            throw Failure.ofPackage("the model answers " + columns + " columns; column " + column + " is none of them");
        }
        answers = floats(rowsMax * columns);
        for (int count = 1; count <= rowsMax; count++) {
            inputs[count] = Map.of(input, tensor(rows, count, width));
            outputs[count] = Map.of(output, tensor(answers, count, columns));
        }
        check(contract);
    }

    private static OrtSession.SessionOptions options() throws OrtException {
        OrtSession.SessionOptions options = new OrtSession.SessionOptions();
        // The loop's own thread does the work: handing a batch of trees to others costs more than it brings.
        options.setIntraOpNumThreads(1);
        options.setInterOpNumThreads(1);
        options.setExecutionMode(OrtSession.SessionOptions.ExecutionMode.SEQUENTIAL);
        options.setOptimizationLevel(OrtSession.SessionOptions.OptLevel.ALL_OPT);
        options.addConfigEntry("session.intra_op.allow_spinning", "0");
        return options;
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static Map<String, OnnxTensor>[] perSize(int rowsMax) {
        return new Map[rowsMax + 1];
    }

    private static FloatBuffer floats(int count) {
        return ByteBuffer.allocateDirect(count * Float.BYTES).order(ByteOrder.nativeOrder()).asFloatBuffer();
    }

    private OnnxTensor tensor(FloatBuffer buffer, int count, int wide) throws OrtException {
        FloatBuffer part = buffer.duplicate().limit(count * wide);
        return OnnxTensor.createTensor(environment, part, new long[] {count, wide});
    }

    /** Declared shapes are hints: ask the model. */
    private int learnColumns() throws OrtException {
        try (OnnxTensor one = tensor(rows, 1, width);
                OrtSession.Result result = session.run(Map.of(input, one), Set.of(output))) {
            if (result.get(0) instanceof OnnxTensor answer) {
                long[] shape = answer.getInfo().getShape();
                if (shape.length == 2 && shape[0] == 1) {
                    return Math.toIntExact(shape[1]);
                }
            }
            throw Failure.ofPackage("output " + output + " is no tensor [rows, columns]: not supported here");
        }
    }

    /** The golden rows: the model answers here what it answered where it was trained. */
    private void check(Contract contract) throws OrtException {
        for (float[] golden : contract.golden()) {
            put(0, golden);
            score(1);
            float expected = golden[width];
            if (!(Math.abs(scored(0) - expected) <= contract.tolerance())) {
                throw Failure.ofPackage("a golden row scores " + scored(0) + " instead of " + expected);
            }
        }
    }

    /** Writes one row. Longer arrays than the model is wide are cut. */
    void put(int place, float[] row) {
        rows.put(place * width, row, 0, width);
    }

    void score(int count) throws OrtException {
        session.run(inputs[count], outputs[count]).close();
    }

    float scored(int place) {
        return answers.get(place * columns + column);
    }

    @Override
    public void close() throws OrtException {
        session.close();
    }
}
