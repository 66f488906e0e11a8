"""The independent checker: reads what a run left in Kafka, and says which promises it broke. It shares no code with the
pipeline; formats are read by fastavro, scores come from ONNX Runtime's own Python package."""
