package queue

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/kvaccel/kvaccel/host/sweep/sweeptest"
)

// certificate writes a certificate for the loopback address that is its own
// authority, and its key.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	pk, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	for path, b := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "EC PRIVATE KEY", Bytes: pk}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// TestTLSAndUsers lets in who has a certificate and the password, and nobody else.
func TestTLSAndUsers(t *testing.T) {
	noLeak(t)
	cert, key := certificate(t)
	conf := filepath.Join(t.TempDir(), "nats.conf")
	text := fmt.Sprintf("tls { cert_file: %q, key_file: %q, ca_file: %q, verify: true }\nauthorization { user: lab, password: secret }\n", cert, key, cert)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Serve(ServerOptions{Addr: "127.0.0.1:0", Config: conf, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, port, err := net.SplitHostPort(s.ns.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	good := Access{URL: "tls://lab:secret@127.0.0.1:" + port, CA: cert, Cert: cert, Key: key}
	for name, a := range map[string]Access{
		"no authority":   {URL: good.URL, Cert: cert, Key: key},
		"no certificate": {URL: good.URL, CA: cert},
		"other password": {URL: "tls://lab:guess@127.0.0.1:" + port, CA: cert, Cert: cert, Key: key},
	} {
		if nc, err := a.Connect(); !errors.Is(err, ErrQueue) {
			t.Errorf("%s: %v", name, err)
			if err == nil {
				nc.Close()
			}
		}
	}
	p, st := plan(t, "name: safe\ninputs: {trace: sample, prefix: 500}\npolicies: [full]\n"), sweeptest.Store(t)
	nc, err := good.Connect()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		done <- Work(t.Context(), nc, WorkerOptions{Name: "a", Devices: []string{"emu:"}, Open: sweeptest.OpenEmu, Program: "test", Cache: t.TempDir(), Idle: time.Second})
	}()
	hub, err := good.Connect()
	if err != nil {
		t.Fatal(err)
	}
	if sum, err := Run(t.Context(), hub, p, st, HubOptions{}); err != nil || sum.Computed != 1 {
		t.Errorf("%+v, %v", sum, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	hub.Close()
	nc.Close()
}
