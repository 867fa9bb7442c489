import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.smile.SmileFactory;
import com.fasterxml.jackson.dataformat.smile.SmileGenerator;
import com.fasterxml.jackson.dataformat.smile.SmileParser;

import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Iterator;
import java.util.Map;

/**
 * Jackson's Smile codec behind a pipe. A line in, a line out:
 * "W features tagged" gives the document that Jackson writes, in base64; "R document" gives what Jackson reads, tagged.
 * Tagged values are JSON arrays [kind, text or members], so that no kind of number gets lost on the way.
 */
public class SmileJudge
{
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

  public static void main(String[] args) throws Exception
  {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    PrintStream out = new PrintStream(System.out, true, "UTF-8");
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String answer;
      try {
        String[] words = line.split(" ", 3);
        answer = "W".equals(words[0]) ? write(words[1], words[2]) : read(words[1]);
      }
      catch (Exception e) {
        answer = "! " + e.toString().replace('\n', ' ');
      }
      out.println(answer);
    }
  }

  private static SmileFactory factory(String features)
  {
    SmileFactory factory = new SmileFactory();
    factory.configure(SmileGenerator.Feature.WRITE_HEADER, features.contains("h"));
    factory.configure(SmileGenerator.Feature.CHECK_SHARED_NAMES, features.contains("n"));
    factory.configure(SmileGenerator.Feature.CHECK_SHARED_STRING_VALUES, features.contains("v"));
    factory.configure(SmileGenerator.Feature.ENCODE_BINARY_AS_7BIT, features.contains("7"));
    factory.configure(SmileGenerator.Feature.WRITE_END_MARKER, features.contains("e"));
    factory.configure(SmileParser.Feature.REQUIRE_HEADER, features.contains("h"));
    return factory;
  }

  private static String write(String features, String tagged) throws Exception
  {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (SmileGenerator generator = factory(features).createGenerator(bytes)) {
      write(generator, JSON.readTree(tagged));
    }
    return Base64.getEncoder().encodeToString(bytes.toByteArray());
  }

  private static void write(SmileGenerator generator, JsonNode tagged) throws Exception
  {
    String text = tagged.get(1).asText();
    switch (tagged.get(0).asText()) {
      case "null": generator.writeNull(); break;
      case "boolean": generator.writeBoolean(Boolean.parseBoolean(text)); break;
      case "int": generator.writeNumber(Integer.parseInt(text)); break;
      case "long": generator.writeNumber(Long.parseLong(text)); break;
      case "big": generator.writeNumber(new BigInteger(text)); break;
      case "float": generator.writeNumber(Float.intBitsToFloat(Integer.parseUnsignedInt(text))); break;
      case "double": generator.writeNumber(Double.longBitsToDouble(Long.parseUnsignedLong(text))); break;
      case "decimal": generator.writeNumber(new BigDecimal(text)); break;
      case "string": generator.writeString(text); break;
      case "binary": generator.writeBinary(Base64.getDecoder().decode(text)); break;
      case "array":
        generator.writeStartArray();
        for (JsonNode member : tagged.get(1)) {
          write(generator, member);
        }
        generator.writeEndArray();
        break;
      case "object":
        generator.writeStartObject();
        for (Iterator<Map.Entry<String, JsonNode>> it = tagged.get(1).fields(); it.hasNext(); ) {
          Map.Entry<String, JsonNode> member = it.next();
          generator.writeFieldName(member.getKey());
          write(generator, member.getValue());
        }
        generator.writeEndObject();
        break;
      default: throw new IllegalArgumentException(tagged.toString());
    }
  }

  private static String read(String base64) throws Exception
  {
    byte[] document = Base64.getDecoder().decode(base64);
    try (SmileParser parser = factory(document.length > 0 && document[0] == ':' ? "h" : "").createParser(document)) {
      parser.nextToken();
      JsonNode value = read(parser);
      if (parser.nextToken() != null) {
        throw new IllegalArgumentException("more than one value");
      }
      return JSON.writeValueAsString(value);
    }
  }

  private static ArrayNode tagged(String kind, Object text)
  {
    return NODES.arrayNode().add(kind).add(String.valueOf(text));
  }

  private static ArrayNode read(SmileParser parser) throws Exception
  {
    switch (parser.currentToken()) {
      case VALUE_NULL: return tagged("null", "");
      case VALUE_TRUE: return tagged("boolean", "true");
      case VALUE_FALSE: return tagged("boolean", "false");
      case VALUE_STRING: return tagged("string", parser.getText());
      case VALUE_EMBEDDED_OBJECT:
        return tagged("binary", Base64.getEncoder().encodeToString((byte[]) parser.getEmbeddedObject()));
      case VALUE_NUMBER_INT:
        switch (parser.getNumberType()) {
          case INT: return tagged("int", parser.getIntValue());
          case LONG: return tagged("long", parser.getLongValue());
          default: return tagged("big", parser.getBigIntegerValue());
        }
      case VALUE_NUMBER_FLOAT:
        switch (parser.getNumberType()) {
          case FLOAT: return tagged("float", Integer.toUnsignedString(Float.floatToRawIntBits(parser.getFloatValue())));
          case DOUBLE:
            return tagged("double", Long.toUnsignedString(Double.doubleToRawLongBits(parser.getDoubleValue())));
          default: return tagged("decimal", parser.getDecimalValue());
        }
      case START_ARRAY:
        ArrayNode members = NODES.arrayNode();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
          members.add(read(parser));
        }
        return NODES.arrayNode().add("array").add(members);
      case START_OBJECT:
        ObjectNode fields = NODES.objectNode();
        while (parser.nextToken() != JsonToken.END_OBJECT) {
          String name = parser.currentName();
          parser.nextToken();
          fields.set(name, read(parser));
        }
        return NODES.arrayNode().add("object").add(fields);
      default: throw new IllegalArgumentException(parser.currentToken().toString());
    }
  }
}
