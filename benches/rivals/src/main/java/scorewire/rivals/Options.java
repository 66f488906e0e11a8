package scorewire.rivals;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;

/** What both rivals are told on the command line. */
record Options(
        String bootstrap,
        String group,
        Path packageFolder,
        String input,
        String outputs,
        /* Null: no copies for people. */
        String review,
        String deadLetters,
        int batchRows,
        Properties consumer,
        Properties producer) {

    static final String USAGE = """
            --bootstrap HOST:PORT --group GROUP --package DIR --input TOPIC --outputs TOPIC
            [--review TOPIC] [--dead-letters TOPIC] [--batch ROWS]
            [--consumer KEY=VALUE]... [--producer KEY=VALUE]...""";

    private static final int BATCH_ROWS_MAX = 4096;

    static Options parse(String[] args, int defaultBatchRows) {
        Map<String, String> given = new HashMap<>(Map.of("dead-letters", "model-dead-letters"));
        Properties consumer = new Properties();
        Properties producer = new Properties();
        for (int at = 0; at < args.length; at += 2) {
            if (!args[at].startsWith("--") || at + 1 == args.length) {
                throw new Failure(64, "do not understand " + args[at] + "\n" + USAGE);
            }
            String name = args[at].substring(2);
            String value = args[at + 1];
            switch (name) {
                case "consumer" -> property(consumer, value);
                case "producer" -> property(producer, value);
                case "bootstrap", "group", "package", "input", "outputs", "review", "dead-letters", "batch" ->
                        given.put(name, value);
                default -> throw new Failure(64, "unknown option --" + name + "\n" + USAGE);
            }
        }
        return new Options(
                needed(given, "bootstrap"), needed(given, "group"), Path.of(needed(given, "package")),
                needed(given, "input"), needed(given, "outputs"), given.get("review"), given.get("dead-letters"),
                rows(given.get("batch"), defaultBatchRows), consumer, producer);
    }

    private static String needed(Map<String, String> given, String name) {
        String value = given.get(name);
        if (value == null) {
            throw new Failure(64, "--" + name + " is missing\n" + USAGE);
        }
        return value;
    }

    private static int rows(String text, int otherwise) {
        try {
            int rows = text == null ? otherwise : Integer.parseInt(text);
            if (rows >= 1 && rows <= BATCH_ROWS_MAX) {
                return rows;
            }
        } catch (NumberFormatException notANumber) {
            // Told below, together with numbers out of range.
        }
        throw new Failure(64, "--batch " + text + " is not from 1 to " + BATCH_ROWS_MAX);
    }

    private static void property(Properties into, String text) {
        int equals = text.indexOf('=');
        if (equals < 1) {
            throw new Failure(64, text + " is not KEY=VALUE");
        }
        into.setProperty(text.substring(0, equals), text.substring(equals + 1));
    }
}
