package fillstream.w1;

import java.math.BigDecimal;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;

/** One command: drop a repeat, reserve what the order may cost, store order and balance, tell of it, route it. */
final class Reserve implements Processor<String, GenericRecord, String, GenericRecord> {
  static final String EVENTS = "events";
  static final String REQUESTS = "requests";
  static final String SEEN = "seen";
  static final String BALANCES = "balances";
  static final String ORDERS = "orders";

  /** Three hundred million of each asset, in hundred millionths. */
  private static final long START = 300_000_000L * 100_000_000L;

  private static final byte[] YES = {1};
  private static final String[] VENUES = {"BINX", "CBSE", "KRKN"};
  private static final String[] ORDER_TERMS = {
    "order_id", "user_id", "symbol", "side", "type", "price", "quantity", "time_in_force", "ts"
  };
  private static final String[] EVENT_TERMS = {
    "command_id", "user_id", "order_id", "symbol", "side", "price", "quantity", "ts"
  };

  private static final Schema STATUS = Schemas.EVENT.getField("status").schema();
  private static final Object ACCEPTED = new GenericData.EnumSymbol(STATUS, "ACCEPTED");
  private static final Object REJECTED = new GenericData.EnumSymbol(STATUS, "REJECTED");

  private ProcessorContext<String, GenericRecord> context;
  private KeyValueStore<String, byte[]> seen;
  private KeyValueStore<String, GenericRecord> balances;
  private KeyValueStore<String, GenericRecord> orders;

  @Override
  public void init(ProcessorContext<String, GenericRecord> context) {
    this.context = context;
    seen = context.getStateStore(SEEN);
    balances = context.getStateStore(BALANCES);
    orders = context.getStateStore(ORDERS);
  }

  @Override
  public void process(Record<String, GenericRecord> input) {
    GenericRecord command = input.value();
    String user = command.get("user_id").toString();
    String order = command.get("order_id").toString();
    String once = user + "|" + order;
    if (seen.get(once) != null) {
      return;
    }
    seen.put(once, YES);

    String symbol = command.get("symbol").toString();
    int dash = symbol.indexOf('-');
    boolean buy = command.get("side").toString().equals("BUY");
    String asset = buy ? symbol.substring(dash + 1) : symbol.substring(0, dash);
    long cost = cost(command);

    String account = user + "|" + asset;
    GenericRecord balance = balances.get(account);
    long available = balance == null ? START : (Long) balance.get("available");
    long reserved = balance == null ? 0 : (Long) balance.get("reserved");
    boolean accepted = available >= cost;
    if (accepted) {
      available -= cost;
      reserved += cost;
    }
    if (accepted || balance == null) {
      balances.put(account, balance(available, reserved));
    }

    long held = accepted ? cost : 0;
    orders.put(order, order(command, accepted, asset, held));
    context.forward(input.withValue(event(command, order, accepted, asset, held, available)), EVENTS);
    if (accepted) {
      context.forward(input.withValue(request(command, order, symbol)), REQUESTS);
    }
  }

  private static long cost(GenericRecord command) {
    BigDecimal price = new BigDecimal(command.get("price").toString());
    BigDecimal quantity = new BigDecimal(command.get("quantity").toString());
    return price.multiply(quantity).setScale(8).unscaledValue().longValueExact();
  }

  private static GenericRecord balance(long available, long reserved) {
    GenericRecord balance = new GenericData.Record(Schemas.BALANCE);
    balance.put("available", available);
    balance.put("reserved", reserved);
    return balance;
  }

  private static GenericRecord order(GenericRecord command, boolean accepted, String asset, long held) {
    GenericRecord order = copy(command, Schemas.ORDER, ORDER_TERMS);
    order.put("status", accepted ? ACCEPTED : REJECTED);
    order.put("asset", asset);
    order.put("reserved", held);
    return order;
  }

  private static GenericRecord event(
      GenericRecord command, String order, boolean accepted, String asset, long held, long available) {
    GenericRecord event = copy(command, Schemas.EVENT, EVENT_TERMS);
    event.put("event_id", "e-" + order);
    event.put("status", accepted ? ACCEPTED : REJECTED);
    event.put("asset", asset);
    event.put("reserved", held);
    event.put("available", available);
    return event;
  }

  private static GenericRecord request(GenericRecord command, String order, String symbol) {
    GenericRecord request = copy(command, Schemas.REQUEST, ORDER_TERMS);
    request.put("request_id", "r-" + order);
    request.put("venue", VENUES[(symbol.charAt(0) + symbol.charAt(4)) % VENUES.length]);
    return request;
  }

  private static GenericRecord copy(GenericRecord command, Schema schema, String[] terms) {
    GenericRecord copy = new GenericData.Record(schema);
    for (String term : terms) {
      copy.put(term, command.get(term));
    }
    return copy;
  }
}
