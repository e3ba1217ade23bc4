// A client made of Go's own checksum-database packages (golang.org/x/mod/sumdb): note checks the signature, tlog the
// tiles, the inclusion of entries and the consistency with older trees.
//
//	client URL VKEY INDEX[,INDEX...] [SIZE:ROOT...]
//
// Prints origin, size and root. Any check that fails, or that passes where it must not, ends it with an error.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func get(url string) []byte {
	answer, err := http.Get(url)
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		log.Fatalf("%s: %s %v", url, answer.Status, err)
	}
	return body
}

// tiles reads the paths of C2SP tlog-tiles: those of the checksum database without the height.
type tiles struct{ url string }

func (tiles) Height() int { return 8 }

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range wanted {
		found = append(found, get(t.url+"/tile/"+strings.TrimPrefix(tile.Path(), "tile/8/")))
	}
	return found, nil
}

func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// entry is one record of the bundle that holds it.
func entry(url string, index, size int64) []byte {
	tile := tlog.Tile{H: 8, L: 0, N: index / 256, W: 256}
	if rest := size - tile.N*256; rest < 256 {
		tile.W = int(rest)
	}
	data := get(url + "/tile/entries/" + strings.TrimPrefix(tile.Path(), "tile/8/0/"))
	for i := int64(0); ; i++ {
		length := int64(binary.BigEndian.Uint16(data))
		if i == index%256 {
			return data[2 : 2+length]
		}
		data = data[2+length:]
	}
}

func hash(text string) tlog.Hash {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(data) != tlog.HashSize {
		log.Fatalf("not a hash: %q", text)
	}
	return tlog.Hash(*(*[tlog.HashSize]byte)(data))
}

func number(text string) int64 {
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func main() {
	log.SetFlags(0)
	url, vkey := os.Args[1], os.Args[2]
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		log.Fatal(err)
	}
	signed := get(url + "/checkpoint")
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		log.Fatal(err)
	}
	lines := strings.Split(opened.Text, "\n")
	size, root := number(lines[1]), hash(lines[2])
	tree := tlog.Tree{N: size, Hash: root}
	hashes := tlog.TileHashReader(tree, tiles{url})
	if got, err := tlog.TreeHash(size, hashes); err != nil || got != root {
		log.Fatalf("the tiles lead to %v: %v", got, err)
	}
	for _, text := range strings.Split(os.Args[3], ",") {
		index := number(text)
		leaf := tlog.RecordHash(entry(url, index, size))
		proof, err := tlog.ProveRecord(size, index, hashes)
		if err != nil {
			log.Fatal(err)
		}
		if err := tlog.CheckRecord(proof, size, root, index, leaf); err != nil {
			log.Fatal(err)
		}
		leaf[0] ^= 1
		if tlog.CheckRecord(proof, size, root, index, leaf) == nil {
			log.Fatal("an altered leaf is in the tree")
		}
	}
	for _, text := range os.Args[4:] {
		older, oldRoot, _ := strings.Cut(text, ":")
		proof, err := tlog.ProveTree(size, number(older), hashes)
		if err != nil {
			log.Fatal(err)
		}
		if err := tlog.CheckTree(proof, size, root, number(older), hash(oldRoot)); err != nil {
			log.Fatal(err)
		}
		if tlog.CheckTree(proof, size, root, number(older), tlog.Hash{}) == nil {
			log.Fatal("an altered root was extended")
		}
	}
	fmt.Println(lines[0], size, lines[2])
}
