package fillstream.w1;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import org.apache.avro.Schema;

/** The schemas that all variants share, read from the folder that W1_SCHEMAS names; W1_ID_<NAME> holds the id of each. */
final class Schemas {
  static final Schema COMMAND = read("place_order");
  static final Schema EVENT = read("order_event");
  static final Schema REQUEST = read("venue_request");
  static final Schema ORDER = read("order_state");
  static final Schema BALANCE = read("balance");

  private Schemas() {}

  /** The id on the wire of the schema in the file {@code name}.avsc. */
  static int id(String name) {
    return Integer.parseInt(System.getenv("W1_ID_" + name.toUpperCase()));
  }

  private static Schema read(String name) {
    try {
      return new Schema.Parser().parse(new File(System.getenv("W1_SCHEMAS"), name + ".avsc"));
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }
}
