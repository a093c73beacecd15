import java.io.ByteArrayOutputStream;
import java.net.InetAddress;
import java.nio.file.Files;
import java.security.KeyStore;
import java.time.Instant;
import java.time.ZoneId;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;

/** What a Java program needs of an image. Proof.class is this, by `javac --release 17 Proof.java`. */
public class Proof {
  public static void main(String[] args) throws Exception {
    System.out.println("Hello from Java");
    TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    factory.init((KeyStore) null);
    System.out.println("certificates " + (((X509TrustManager) factory.getTrustManagers()[0]).getAcceptedIssuers().length > 50));
    System.out.println("tls " + SSLContext.getDefault().getSupportedSSLParameters().getProtocols()[0]);
    System.out.println("zone " + Instant.ofEpochSecond(0).atZone(ZoneId.of("Asia/Tokyo")));
    System.out.println("user " + System.getProperty("user.name"));
    System.out.println("temporary " + Files.createTempFile("x", "y").getParent());
    System.out.println("localhost " + InetAddress.getByName("localhost").isLoopbackAddress());
    ByteArrayOutputStream picture = new ByteArrayOutputStream();
    javax.imageio.ImageIO.write(new java.awt.image.BufferedImage(9, 9, 1), "jpg", picture);
    System.out.println("picture " + (picture.size() > 100));
    System.out.println("process " + new ProcessBuilder("/usr/bin/java", "-version").start().waitFor());
  }
}
