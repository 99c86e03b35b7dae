package fillstream.w1;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serializer;

/**
 * Confluent's wire format (a zero byte, the schema's id in four, then Avro), as KafkaAvroSerializer writes it once the
 * id is cached. Stream threads share serializers, so the buffers that are used again belong to a thread.
 */
final class AvroSerde implements Serde<GenericRecord> {
  private static final int HEADER_BYTES = 5;

  private final int id;
  private final ThreadLocal<Writing> writing;
  private final ThreadLocal<Reading> reading;

  AvroSerde(Schema schema, int id) {
    this.id = id;
    writing = ThreadLocal.withInitial(() -> new Writing(schema));
    reading = ThreadLocal.withInitial(() -> new Reading(schema));
  }

  @Override
  public Serializer<GenericRecord> serializer() {
    return (topic, record) -> record == null ? null : writing.get().write(id, record);
  }

  @Override
  public Deserializer<GenericRecord> deserializer() {
    return (topic, bytes) -> bytes == null ? null : reading.get().read(bytes);
  }

  private static final class Writing {
    private final GenericDatumWriter<GenericRecord> writer;
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream(256);
    private BinaryEncoder encoder;

    Writing(Schema schema) {
      writer = new GenericDatumWriter<>(schema);
    }

    byte[] write(int id, GenericRecord record) {
      bytes.reset();
      for (int shift = 32; shift >= 0; shift -= 8) {
        bytes.write((int) ((long) id >>> shift));
      }
      encoder = EncoderFactory.get().binaryEncoder(bytes, encoder);
      try {
        writer.write(record, encoder);
        encoder.flush();
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
      return bytes.toByteArray();
    }
  }

  private static final class Reading {
    private final GenericDatumReader<GenericRecord> reader;
    private BinaryDecoder decoder;

    Reading(Schema schema) {
      reader = new GenericDatumReader<>(schema);
    }

    GenericRecord read(byte[] bytes) {
      decoder = DecoderFactory.get().binaryDecoder(bytes, HEADER_BYTES, bytes.length - HEADER_BYTES, decoder);
      try {
        return reader.read(null, decoder);
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
    }
  }
}
