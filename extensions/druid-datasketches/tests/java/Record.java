import java.util.*;
import java.nio.charset.StandardCharsets;
import org.apache.datasketches.hll.HllSketch;
import org.apache.datasketches.hll.TgtHllType;
import org.apache.datasketches.kll.*;
import org.apache.datasketches.quantiles.*;
import org.apache.datasketches.theta.*;
import org.apache.datasketches.tuple.arrayofdoubles.*;

/**
 * Writes what the Java library makes of known input, as JSON lines: what nemeton's sketches are compared with.
 * Run with the jars of the real Druid: java (the exports that real_druid.py gives) -cp 'lib/*' Record.java
 */
public class Record {
  static final StringBuilder out = new StringBuilder();

  static String json(Object o) {
    if (o instanceof byte[]) return json(Base64.getEncoder().encodeToString((byte[]) o));
    if (o instanceof String) {
      return "\"" + ((String) o).replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n").replace("\t", "\\t") + "\"";
    }
    if (o instanceof double[]) {
      StringJoiner j = new StringJoiner(",", "[", "]");
      for (double d : (double[]) o) j.add(json(d));
      return j.toString();
    }
    if (o instanceof Double) return Double.isFinite((Double) o) ? o.toString() : "\"" + o + "\"";
    return String.valueOf(o);
  }

  static void line(Object... pairs) {
    StringJoiner j = new StringJoiner(",", "{", "}");
    for (int i = 0; i < pairs.length; i += 2) j.add(json(pairs[i]) + ":" + json(pairs[i + 1]));
    System.out.println(j);
  }

  static String text(int i) { return i % 7 == 0 ? "ключ" + i : "key" + i; }

  static void put(HllSketch s, String kind, int i) {
    switch (kind) {
      case "long": s.update((long) i); break;
      case "double": s.update(i / 4.0 - 10); break;
      case "utf8": s.update(text(i).getBytes(StandardCharsets.UTF_8)); break;
      default: s.update(text(i).toCharArray());
    }
  }

  static HllSketch hll(int lgK, TgtHllType type, String kind, int from, int to) {
    HllSketch s = new HllSketch(lgK, type);
    for (int i = from; i < to; i++) put(s, kind, i);
    return s;
  }

  static void hlls() {
    for (int lgK : new int[] {4, 7, 8, 11, 12}) {
      for (TgtHllType type : TgtHllType.values()) {
        for (int n : new int[] {0, 1, 7, 8, 9, 24, 25, 60, 200, 384, 385, 386, 1000, 20000}) {
          if (type != TgtHllType.HLL_4 && (n != 7 && n != 60 && n != 1000)) continue;
          HllSketch s = hll(lgK, type, "long", 0, n);
          line("sketch", "hll", "lgK", lgK, "type", type.toString(), "input", "long", "n", n, "bytes", s.toCompactByteArray(),
              "bounds", new double[] {s.getEstimate(), s.getLowerBound(1), s.getUpperBound(1), s.getLowerBound(2), s.getUpperBound(3)},
              "text", s.toString());
        }
      }
    }
    for (String kind : new String[] {"double", "utf8", "utf16le"}) {
      for (int n : new int[] {5, 100, 2000}) {
        HllSketch s = hll(12, TgtHllType.HLL_4, kind, 0, n);
        line("sketch", "hll", "lgK", 12, "type", "HLL_4", "input", kind, "n", n, "bytes", s.toCompactByteArray(),
            "bounds", new double[] {s.getEstimate(), s.getLowerBound(1), s.getUpperBound(1), s.getLowerBound(2), s.getUpperBound(3)},
            "text", s.toString());
      }
    }
    int[][] cases = {{12, 12, 12, 100, 100}, {12, 12, 12, 3000, 100}, {12, 12, 12, 100, 3000}, {12, 12, 12, 3000, 5000},
        {12, 11, 12, 3000, 5000}, {12, 14, 12, 5000, 3000}, {11, 12, 14, 3000, 5000}, {12, 12, 12, 0, 3000}, {12, 10, 12, 0, 3000},
        {12, 12, 10, 2000, 2000}, {12, 11, 11, 5, 2000}, {8, 12, 12, 20, 30}};
    for (int[] c : cases) {
      org.apache.datasketches.hll.Union u = new org.apache.datasketches.hll.Union(c[0]);
      HllSketch a = hll(c[1], TgtHllType.HLL_4, "long", 0, c[3]);
      HllSketch b = hll(c[2], TgtHllType.HLL_6, "long", c[3] / 2, c[3] / 2 + c[4]);
      u.update(a);
      u.update(b);
      HllSketch r = u.getResult(TgtHllType.HLL_4);
      line("sketch", "hllUnion", "lgK", c[0], "a", a.toCompactByteArray(), "b", b.toCompactByteArray(), "bytes", r.toCompactByteArray(),
          "estimate", r.getEstimate(), "union8", u.getResult(TgtHllType.HLL_8).toCompactByteArray());
    }
  }

  static Sketch theta(int k, String kind, int from, int to) {
    org.apache.datasketches.theta.Union u = (org.apache.datasketches.theta.Union) SetOperation.builder().setNominalEntries(k).build(org.apache.datasketches.common.Family.UNION);
    for (int i = from; i < to; i++) {
      switch (kind) {
        case "long": u.update((long) i); break;
        case "double": u.update(i / 4.0 - 10); break;
        default: u.update(text(i));
      }
    }
    return u.getResult(true, null);
  }

  static void thetas() {
    for (int k : new int[] {16, 512, 16384}) {
      for (int n : new int[] {0, 1, 2, 15, 16, 17, 100, 512, 513, 3000}) {
        for (String kind : new String[] {"long", "double", "utf8"}) {
          if (!kind.equals("long") && n != 100) continue;
          Sketch s = theta(k, kind, 0, n);
          line("sketch", "theta", "k", k, "input", kind, "n", n, "bytes", s.toByteArray(), "bounds",
              new double[] {s.getEstimate(), s.getLowerBound(1), s.getUpperBound(1), s.getLowerBound(2), s.getUpperBound(3)}, "text", s.toString());
        }
      }
    }
    int[][] cases = {{512, 512, 512, 100, 100}, {512, 512, 512, 3000, 2000}, {16, 512, 512, 3000, 2000}, {512, 16, 512, 100, 100}, {512, 16, 16, 1000, 20}, {512, 512, 512, 0, 100}, {512, 512, 512, 100, 0}, {16, 16, 16, 15, 15}, {512, 512, 512, 1, 1}};
    for (int[] c : cases) {
      Sketch a = theta(c[1], "long", 0, c[3]), b = theta(c[2], "long", c[3] / 2, c[3] / 2 + c[4]);
      org.apache.datasketches.theta.Union u = (org.apache.datasketches.theta.Union) SetOperation.builder().setNominalEntries(c[0]).build(org.apache.datasketches.common.Family.UNION);
      u.union(a);
      u.union(b);
      org.apache.datasketches.theta.Intersection in = (org.apache.datasketches.theta.Intersection) SetOperation.builder().setNominalEntries(c[0]).build(org.apache.datasketches.common.Family.INTERSECTION);
      in.intersect(a);
      in.intersect(b);
      AnotB not = (AnotB) SetOperation.builder().setNominalEntries(c[0]).build(org.apache.datasketches.common.Family.A_NOT_B);
      line("sketch", "thetaSetOp", "k", c[0], "a", a.toByteArray(), "b", b.toByteArray(), "UNION", u.getResult(true, null).toByteArray(),
          "INTERSECT", in.getResult(true, null).toByteArray(), "NOT", not.aNotB(a, b).toByteArray());
    }
  }

  static final double[] FRACTIONS = {0, 0.01, 0.25, 0.5, 0.9, 0.99, 1};
  static final double[] POINTS = {-5, 0, 10.5, 40, 77, 300};

  static double value(int i) { return (i * 37L % 1009) / 4.0 - 20; }

  static void quantiles() {
    for (int k : new int[] {16, 128}) {
      for (int n : new int[] {0, 1, 2, 31, 32, 33, 255, 256, 257, 5000}) {
        UpdateDoublesSketch s = DoublesSketch.builder().setK(k).build();
        for (int i = 0; i < n; i++) s.update(value(i));
        byte[] bytes = s.toByteArray(true);
        if (n == 0) line("sketch", "quantilesDoublesSketch", "k", k, "n", n, "bytes", bytes, "text", s.toString());
        else line("sketch", "quantilesDoublesSketch", "k", k, "n", n, "bytes", bytes, "quantiles", s.getQuantiles(FRACTIONS), "cdf", s.getCDF(POINTS),
            "pmf", s.getPMF(POINTS), "rank", s.getRank(40), "text", s.toString());
      }
    }
    for (int k : new int[] {8, 200}) {
      for (int n : new int[] {0, 1, 2, 7, 8, 9, 200, 201, 5000}) {
        KllDoublesSketch s = KllDoublesSketch.newHeapInstance(k);
        KllFloatsSketch f = KllFloatsSketch.newHeapInstance(k);
        float[] points = new float[POINTS.length];
        for (int i = 0; i < points.length; i++) points[i] = (float) POINTS[i];
        for (int i = 0; i < n; i++) { s.update(value(i)); f.update((float) value(i)); }
        if (n == 0) {
          line("sketch", "KllDoublesSketch", "k", k, "n", n, "bytes", s.toByteArray(), "text", s.toString());
          line("sketch", "KllFloatsSketch", "k", k, "n", n, "bytes", f.toByteArray(), "text", f.toString());
          continue;
        }
        String summary = s.toString();
        line("sketch", "KllDoublesSketch", "k", k, "n", n, "bytes", s.toByteArray(), "quantiles", s.getQuantiles(FRACTIONS), "cdf", s.getCDF(POINTS),
            "pmf", s.getPMF(POINTS), "rank", s.getRank(40), "text", summary);
        byte[] bytes = f.toByteArray(); // before it is asked, which sorts it
        String text = f.toString();
        float[] qs = f.getQuantiles(FRACTIONS);
        double[] ds = new double[qs.length];
        for (int i = 0; i < qs.length; i++) ds[i] = qs[i];
        line("sketch", "KllFloatsSketch", "k", k, "n", n, "bytes", bytes, "quantiles", ds, "cdf", f.getCDF(points),
            "pmf", f.getPMF(points), "rank", f.getRank(40f), "text", text);
      }
    }
  }

  static ArrayOfDoublesSketch tuple(int k, int values, int from, int to) {
    ArrayOfDoublesUpdatableSketch s = new ArrayOfDoublesUpdatableSketchBuilder().setNominalEntries(k).setNumberOfValues(values).build();
    for (int round = 0; round < 2; round++) {
      for (int i = from; i < to; i++) {
        double[] v = new double[values];
        for (int j = 0; j < values; j++) v[j] = value(i) + j;
        s.update(text(i).getBytes(StandardCharsets.UTF_8), v);
      }
    }
    return s.compact();
  }

  static void tuples() {
    for (int values : new int[] {1, 2}) {
      for (int k : new int[] {16, 512}) {
        for (int n : new int[] {0, 1, 2, 16, 17, 30, 31, 100, 512, 900, 961, 3000}) {
          ArrayOfDoublesSketch s = tuple(k, values, 0, n);
          line("sketch", "tuple", "k", k, "values", values, "n", n, "bytes", s.toByteArray(),
              "bounds", new double[] {s.getEstimate(), s.getLowerBound(1), s.getUpperBound(1), s.getLowerBound(2), s.getUpperBound(3)},
              "theta", s.getTheta(), "retained", s.getRetainedEntries(), "text", s.toString());
        }
      }
    }
    int[][] cases = {{512, 512, 512, 100, 100}, {512, 512, 512, 3000, 2000}, {16, 512, 512, 3000, 2000}, {512, 16, 512, 100, 100}, {512, 512, 512, 0, 100}, {512, 512, 512, 100, 0}, {16, 16, 16, 15, 15}};
    for (int[] c : cases) {
      ArrayOfDoublesSketch a = tuple(c[1], 2, 0, c[3]), b = tuple(c[2], 2, c[3] / 2, c[3] / 2 + c[4]);
      ArrayOfDoublesUnion u = new ArrayOfDoublesSetOperationBuilder().setNominalEntries(c[0]).setNumberOfValues(2).buildUnion();
      u.union(a);
      u.union(b);
      ArrayOfDoublesIntersection in = new ArrayOfDoublesSetOperationBuilder().setNominalEntries(c[0]).setNumberOfValues(2).buildIntersection();
      ArrayOfDoublesCombiner add = (x, y) -> { double[] r = new double[x.length]; for (int i = 0; i < r.length; i++) r[i] = x[i] + y[i]; return r; };
      in.intersect(a, add);
      in.intersect(b, add);
      ArrayOfDoublesAnotB not = new ArrayOfDoublesSetOperationBuilder().setNumberOfValues(2).buildAnotB();
      not.update(a, b);
      line("sketch", "tupleSetOp", "k", c[0], "a", a.toByteArray(), "b", b.toByteArray(), "UNION", u.getResult().toByteArray(),
          "INTERSECT", in.getResult().toByteArray(), "NOT", not.getResult().toByteArray());
    }
  }

  public static void main(String[] args) {
    hlls();
    thetas();
    quantiles();
    tuples();
  }
}
