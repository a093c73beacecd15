// What a Go program needs of an image: certificates, time zones, users, a place for temporary files, names of hosts.
package main

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/user"
	"time"
)

func main() {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "answer") }))
	defer server.Close()
	trusting, err := server.Client().Get(server.URL)
	fmt.Println("tls", err == nil && trusting.StatusCode == 200)
	_, err = http.Get(server.URL)
	fmt.Println("a stranger's certificate:", err)
	roots, err := x509.SystemCertPool()
	fmt.Println("certificates", err == nil && len(roots.Subjects()) > 50)
	zone, err := time.LoadLocation("America/New_York")
	fmt.Println("zone", time.Unix(0, 0).In(zone), err)
	me, err := user.Current()
	fmt.Println("user", me.Username, me.Uid, me.HomeDir, err)
	file, err := os.CreateTemp("", "x")
	fmt.Println("temporary", err == nil && file.Close() == nil)
	_, err = net.LookupHost("localhost")
	fmt.Println("localhost", err == nil)
	port, err := net.LookupPort("tcp", "https")
	fmt.Println("https", port, err)
}
