// Command registry serves container images from a folder. The protocol is that of
// go-containerregistry, which keeps manifests in memory only; this adds that they survive a restart:
// each manifest that was accepted is also written to the folder and put again at the next start.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

type manifest struct {
	Path string
	Type string
	Body []byte
}

func (m manifest) request() *http.Request {
	request := httptest.NewRequest(http.MethodPut, m.Path, bytes.NewReader(m.Body))
	request.Header.Set("Content-Type", m.Type)
	return request
}

// save writes through a temporary name, so that a stop at any time leaves a whole file or none.
func (m manifest) save(folder string) error {
	content, err := json.Marshal(m)
	if err != nil {
		return err
	}
	name := filepath.Join(folder, fmt.Sprintf("%x", sha256.Sum256([]byte(m.Path))))
	if err := os.WriteFile(name+".part", content, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".part", name)
}

// store passes everything to the registry and keeps the manifests it accepts, under the name they
// were pushed with and under their digest: the name may be given to another image later.
type store struct {
	registry http.Handler
	folder   string
}

func (s store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPut || path.Base(path.Dir(r.URL.Path)) != "manifests" {
		s.registry.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	recorder := httptest.NewRecorder()
	s.registry.ServeHTTP(recorder, r)
	if recorder.Code == http.StatusCreated {
		named := manifest{Path: r.URL.Path, Type: r.Header.Get("Content-Type"), Body: body}
		digest := named
		digest.Path = fmt.Sprintf("%s/sha256:%x", path.Dir(r.URL.Path), sha256.Sum256(body))
		for _, m := range []manifest{digest, named} {
			if err := m.save(s.folder); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
		}
	}
	for name, values := range recorder.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(recorder.Code)
	_, _ = w.Write(recorder.Body.Bytes())
}

// restore puts the stored manifests again. An index is refused as long as one of its images is
// missing, so it goes on for as long as a round achieves something.
func (s store) restore() error {
	entries, err := os.ReadDir(s.folder)
	if err != nil {
		return err
	}
	var left []manifest
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), ".part") {
			continue
		}
		content, err := os.ReadFile(filepath.Join(s.folder, entry.Name()))
		if err != nil {
			return err
		}
		var m manifest
		if err := json.Unmarshal(content, &m); err != nil {
			return fmt.Errorf("%s: %w", entry.Name(), err)
		}
		left = append(left, m)
	}
	for progress := true; progress && len(left) > 0; {
		progress = false
		var refused []manifest
		for _, m := range left {
			recorder := httptest.NewRecorder()
			s.registry.ServeHTTP(recorder, m.request())
			if recorder.Code == http.StatusCreated {
				progress = true
			} else {
				refused = append(refused, m)
			}
		}
		left = refused
	}
	for _, m := range left {
		log.Printf("not restored: %s", m.Path)
	}
	return nil
}

func main() {
	address := flag.String("address", "127.0.0.1:5000", "where to listen")
	folder := flag.String("folder", "", "where to keep blobs and manifests")
	flag.Parse()
	blobs, manifests := filepath.Join(*folder, "blobs"), filepath.Join(*folder, "manifests")
	for _, dir := range []string{blobs, manifests} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			log.Fatal(err)
		}
	}
	quiet := log.New(io.Discard, "", 0)
	s := store{
		registry: registry.New(
			registry.WithBlobHandler(registry.NewDiskBlobHandler(blobs)), registry.Logger(quiet)),
		folder: manifests,
	}
	if err := s.restore(); err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Addr: *address, Handler: s, ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.ListenAndServe())
}
