package fillstream.w1;

import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/** W1 in Kafka Streams: Processor API, exactly_once_v2, in-memory stores, balances cached between commits. */
public final class Main {
  private static final String STEP = "reserve";
  private static final long CACHE_BYTES = 64L << 20;

  private Main() {}

  public static void main(String[] arguments) {
    KafkaStreams streams = new KafkaStreams(topology(), properties());
    streams.setUncaughtExceptionHandler(
        error -> {
          error.printStackTrace();
          return StreamThreadExceptionResponse.SHUTDOWN_APPLICATION;
        });
    Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(5))));
    streams.start();
  }

  private static Properties properties() {
    Properties properties = new Properties();
    properties.put(StreamsConfig.APPLICATION_ID_CONFIG, System.getenv("W1_APPLICATION"));
    properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, System.getenv("W1_BOOTSTRAP"));
    properties.put(StreamsConfig.STATE_DIR_CONFIG, System.getenv("W1_STATE"));
    properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, System.getenv("W1_THREADS"));
    properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
    properties.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    properties.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, CACHE_BYTES);
    properties.put(StreamsConfig.producerPrefix("compression.type"), "lz4");
    properties.put("auto.offset.reset", "earliest");
    properties.put("session.timeout.ms", System.getenv("W1_SESSION_TIMEOUT_MS"));
    properties.put("heartbeat.interval.ms", "1000");
    String instance = System.getenv("W1_INSTANCE");
    if (instance != null) { // static membership: a restarted instance is known at once
      properties.put("group.instance.id", instance);
    }
    return properties;
  }

  private static Topology topology() {
    Serde<String> text = Serdes.String();
    AvroSerde commands = new AvroSerde(Schemas.COMMAND, Schemas.id("place_order"));
    AvroSerde events = new AvroSerde(Schemas.EVENT, Schemas.id("order_event"));
    AvroSerde requests = new AvroSerde(Schemas.REQUEST, Schemas.id("venue_request"));
    AvroSerde orders = new AvroSerde(Schemas.ORDER, Schemas.id("order_state"));
    AvroSerde balances = new AvroSerde(Schemas.BALANCE, Schemas.id("balance"));
    Topology topology = new Topology();
    topology.addSource("commands", text.deserializer(), commands.deserializer(), System.getenv("W1_COMMANDS"));
    topology.addProcessor(STEP, Reserve::new, "commands");
    topology.addStateStore(store(Reserve.SEEN, Serdes.ByteArray()), STEP);
    topology.addStateStore(store(Reserve.BALANCES, balances).withCachingEnabled(), STEP);
    topology.addStateStore(store(Reserve.ORDERS, orders), STEP);
    topology.addSink(Reserve.EVENTS, System.getenv("W1_EVENTS"), text.serializer(), events.serializer(), STEP);
    topology.addSink(Reserve.REQUESTS, System.getenv("W1_REQUESTS"), text.serializer(), requests.serializer(), STEP);
    return topology;
  }

  private static <V> StoreBuilder<?> store(String name, Serde<V> values) {
    return Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(name), Serdes.String(), values);
  }
}
