package scorewire.rivals;

/** Why the process ends, with its exit code (scorewire's numbers). */
final class Failure extends RuntimeException {
    private static final long serialVersionUID = 1;

    final int code;

    Failure(int code, String what) {
        super(what);
        this.code = code;
    }

    Failure(int code, String what, Throwable cause) {
        super(what, cause);
        this.code = code;
    }

    /** A package that this program cannot serve. */
    static Failure ofPackage(String what) {
        return new Failure(65, "the model package: " + what);
    }
}
