// A small web service that needs what an image FROM scratch does not have by itself: certificates, time zones, a user with a name, a
// place for temporary files, and names of hosts. It answers each request with what it finds of them.
package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/user"
	"time"
)

func certificates() (string, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		return "", err
	}
	if len(roots.Subjects()) < 50 {
		return "", errors.New("too few")
	}
	return "found", nil
}

func whoAmI() (string, error) {
	me, err := user.Current()
	if err != nil {
		return "", err
	}
	named, err := user.LookupId(me.Uid)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s (%s)", named.Username, me.Uid), nil
}

func timeInTokyo() (string, error) {
	zone, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		return "", err
	}
	return time.Unix(1700000000, 0).In(zone).Format(time.RFC1123Z), nil
}

func temporaryFile() (string, error) {
	file, err := os.CreateTemp("", "go-service-")
	if err != nil {
		return "", err
	}
	defer os.Remove(file.Name())
	return os.TempDir(), file.Close()
}

func localhost() (string, error) {
	_, err := net.LookupHost("localhost")
	return "found", err
}

func answer(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintln(w, "Hello from scratch!")
	for _, one := range []struct {
		name string
		find func() (string, error)
	}{
		{"user", whoAmI},
		{"certificates", certificates},
		{"time in Tokyo", timeInTokyo},
		{"temporary", temporaryFile},
		{"localhost", localhost},
	} {
		found, err := one.find()
		if err != nil {
			found = "missing: " + err.Error()
		}
		fmt.Fprintf(w, "%-15s%s\n", one.name, found)
	}
}

func main() {
	http.HandleFunc("/", answer)
	log.Println("listening on :8080")
	log.Fatal(http.ListenAndServe(":8080", nil))
}
